"""The picture library."""

import io
import re

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from education import pictures
from education.models import Picture
from tests.education.conftest import NOW, draft
from tests.education.test_revisions import refused


def picture_file(kind="JPEG", size=(40, 30), mode="RGB", **options):
    out = io.BytesIO()
    Image.new(mode, size, "teal").save(out, format=kind, **options)
    return SimpleUploadedFile(f"x.{kind.lower()}", out.getvalue(), content_type="application/octet-stream")


@pytest.mark.parametrize("name", sorted(path.stem for path in pictures.FOLDER.glob("*.svg")))
class TestDrawings:
    def test_is_small_and_draws_with_the_colour_of_the_text(self, name):
        text = (pictures.FOLDER / f"{name}.svg").read_text()
        assert len(text.encode()) < 12_000
        assert 'stroke="currentColor"' in text
        assert not re.search(r"<(script|style|image|foreignObject|use)\b|\bon\w+=|style=|href=", text)
        assert name == "home" or "<text" in text

    def test_is_in_the_library_with_an_alternative(self, name):
        drawing = pictures.DRAWINGS[name.removesuffix("-tall")]
        assert len(str(drawing.alt)) > 20
        assert drawing.tall or not name.endswith("-tall")


def test_every_drawing_has_its_files():
    for drawing in pictures.DRAWINGS.values():
        assert "<svg" in pictures.drawing_html(drawing.name)


@pytest.mark.parametrize("name", ["../../clinic/settings", "nope", "home.svg", "/etc/passwd"])
def test_nothing_else_can_be_drawn(name):
    with pytest.raises(KeyError):
        pictures.svg(name)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_upload_is_encoded_again(kind):
    fresh = pictures.clean_upload(picture_file(kind))
    assert (fresh.media_type, fresh.width, fresh.height) == (pictures.FORMATS[kind], 40, 30)


def test_hidden_data_does_not_survive():
    exif = Image.Exif()
    exif[0x010E] = "taken at the patient's home"
    jpeg = pictures.clean_upload(picture_file("JPEG", exif=exif, comment=b"secret words"))
    note = PngInfo()
    note.add_text("Comment", "secret words")
    png = pictures.clean_upload(picture_file("PNG", pnginfo=note))
    for clean in (jpeg, png):
        assert b"patient's home" not in clean.content
        assert b"secret words" not in clean.content
        assert not Image.open(io.BytesIO(clean.content)).getexif()


def test_what_is_hung_on_after_the_picture_goes():
    file = picture_file("JPEG")
    file = SimpleUploadedFile("x.jpg", file.read() + b"<script>alert(1)</script>")
    assert b"<script>" not in pictures.clean_upload(file).content


def test_a_picture_on_its_side_is_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    fresh = pictures.clean_upload(picture_file("JPEG", exif=exif))
    assert (fresh.width, fresh.height) == (30, 40)


def test_a_large_picture_is_made_smaller_and_a_see_through_one_stays_so():
    assert pictures.clean_upload(picture_file("PNG", size=(3000, 1000))).width == 1600
    fresh = pictures.clean_upload(picture_file("PNG", mode="RGBA"))
    assert Image.open(io.BytesIO(fresh.content)).mode == "RGBA"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 50,
        b"GIF89a" + b"\x00" * 50,
        b"%PDF-1.7",
        b"RIFF\x00\x00\x00\x00WEBPVP8 ",
    ],
)
def test_what_is_no_picture_is_refused_whatever_its_name(content):
    with pytest.raises(ValidationError):
        pictures.clean_upload(SimpleUploadedFile("nice.png", content, content_type="image/png"))


def test_a_gif_and_a_damaged_file_are_refused():
    with pytest.raises(ValidationError):
        pictures.clean_upload(picture_file("GIF", mode="P"))
    half = picture_file("PNG", size=(400, 400)).read()[:200]
    with pytest.raises(ValidationError):
        pictures.clean_upload(SimpleUploadedFile("x.png", half))


def test_files_and_pictures_that_are_too_large_are_refused():
    with pytest.raises(ValidationError, match="5 MB"):
        pictures.clean_upload(SimpleUploadedFile("x.png", b"x" * (pictures.MAX_UPLOAD_BYTES + 1)))
    for side in (9000, 20_000):  # Pillow refuses the second one by itself
        bomb = io.BytesIO()
        Image.new("1", (side, side)).save(bomb, format="PNG")
        with pytest.raises(ValidationError, match="40 million"):
            pictures.clean_upload(SimpleUploadedFile("x.png", bomb.getvalue()))


@pytest.mark.django_db
class TestLibrary:
    def test_keeps_an_upload_and_shows_it(self, editor, client):
        picture = Picture.upload(name="room", alt="A quiet room.", file=picture_file(), by=editor, now=NOW)
        response = client.get(f"/learn/pictures/room-{picture.sha256[:12]}")
        assert response.status_code == 200
        assert response["Content-Type"] == "image/jpeg"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response.content == bytes(Picture.objects.get().content)
        assert client.get(f"/learn/pictures/room-{'0' * 12}").status_code == 404

    @pytest.mark.parametrize("alt", ["", "  "])
    def test_needs_a_text_alternative(self, editor, alt):
        with pytest.raises(ValidationError):
            Picture.upload(name="room", alt=alt, file=picture_file(), by=editor, now=NOW)

    def test_needs_the_right(self, clinician):
        with pytest.raises(PermissionDenied):
            Picture.upload(name="room", alt="A room.", file=picture_file(), by=clinician, now=NOW)

    def test_a_name_is_used_once_and_not_that_of_a_drawing(self, editor):
        Picture.upload(name="room", alt="A room.", file=picture_file(), by=editor, now=NOW)
        for name in ("room", "skin"):
            with pytest.raises(ValidationError):
                Picture.upload(name=name, alt="A room.", file=picture_file(), by=editor, now=NOW)

    def test_is_never_changed_and_goes_only_while_nothing_uses_it(self, editor, article):
        used = Picture.upload(name="room", alt="A room.", file=picture_file(), by=editor, now=NOW)
        unused = Picture.upload(name="desk", alt="A desk.", file=picture_file(), by=editor, now=NOW)
        revision = draft(article, editor, body="{{picture:room}}\n\nText. {{ source: derm }}\n")
        assert 'alt="A room."' in "".join(part.html for part in revision.page(revision.sources.all()).parts)
        assert refused(lambda: Picture.objects.filter(pk=used.pk).update(alt="Another"))
        assert refused(used.delete)
        assert used.is_used()
        assert not unused.is_used()
        assert not refused(unused.delete)
