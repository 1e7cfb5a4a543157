"""The only place that reads and writes sealed documents.

Every response has a data key of its own (AES-256-GCM, 32 random bytes). It is kept in `DataKey`, wrapped by a key of
the environment (`settings.DATA_KEYS`, newest first). Changing the environment's key rewraps data keys; deleting a data
key erases everything sealed with it; the sealed rows themselves are never touched.

A sealed document is bound to its response and to its purpose: it opens nowhere else. Inside is JSON, filled up with
spaces so that the length of a row says little about what was answered.
"""

import json
import os
import uuid
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist

from screening.models import DataKey, QuestionnaireResponse, Review

FORMAT = b"\x01"
NONCE_BYTES = 12
BLOCK_BYTES = 512


class SealBroken(Exception):
    """A sealed document cannot be read: changed, moved, opened for another purpose, or its key is gone.

    The message never holds anything of the document. Whoever catches it treats the answers as missing.
    """


def make_key(response: QuestionnaireResponse) -> DataKey:
    """Gives a stored response its data key, wrapped by the newest key of the environment. One row is written.

    Raises IntegrityError when the response has a key already: a key is never replaced, only rewrapped.
    """
    name, wrapping = settings.DATA_KEYS[0]
    wrapped = _encrypt(wrapping, os.urandom(32), _bound(response.uuid, f"data-key:{name}"))
    return DataKey.objects.create(response=response, wrapped=wrapped, key_name=name)


def seal(response: QuestionnaireResponse, purpose: str, data: Any) -> bytes:
    """JSON data as bytes that only `unseal` with the same response and purpose can read. Writes nothing.

    `purpose` says what the document is, such as "answers"; where a response has several of a kind it holds what tells
    them apart, such as "findings:2027-02-28". Raises SealBroken without a usable key, TypeError or ValueError when
    `data` is not JSON.
    """
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).encode()
    filled = text + b" " * (-len(text) % BLOCK_BYTES)
    return _encrypt(_data_key(response), filled, _bound(response.uuid, purpose))


def unseal(response: QuestionnaireResponse, purpose: str, blob: bytes | memoryview) -> Any:
    """What was sealed. Raises SealBroken when it does not open, for whatever reason."""
    text = _decrypt(_data_key(response), bytes(blob), _bound(response.uuid, purpose))
    try:
        return json.loads(text)
    except ValueError:
        raise SealBroken("The document is not readable.") from None


def rewrap(response: QuestionnaireResponse) -> bool:
    """Wraps a response's data key with the newest key of the environment; False when it is so already.

    Changes one `DataKey` row and no sealed document. Raises SealBroken when the old key cannot be opened.
    """
    key = _key_row(response)
    name, wrapping = settings.DATA_KEYS[0]
    if key.key_name == name:
        return False
    wrapped = _encrypt(wrapping, _data_key(response), _bound(response.uuid, f"data-key:{name}"))
    changed = DataKey.objects.filter(pk=key.pk, key_name=key.key_name).update(wrapped=wrapped, key_name=name)
    key.refresh_from_db()
    return bool(changed)


def words_purpose(review_uuid: uuid.UUID) -> str:
    """What a review's words are sealed as."""
    return f"review:{review_uuid}"


def words_of(review: Review) -> dict[str, Any]:
    """The sealed words of a review: statement, reasons by rule, conditions, question, and explanation (what a
    patient who was refused reads; decisions made before there was one have none). Raises SealBroken."""
    return unseal(review.response, words_purpose(review.uuid), review.words)


def _key_row(response: QuestionnaireResponse) -> DataKey:
    try:
        return response.data_key
    except ObjectDoesNotExist:
        raise SealBroken("These answers have no key any more.") from None


def _data_key(response: QuestionnaireResponse) -> bytes:
    row = _key_row(response)
    wrapping = dict(settings.DATA_KEYS).get(row.key_name)
    if wrapping is None:
        raise SealBroken(f"The key {row.key_name!r} is not in DATA_KEYS.")
    return _decrypt(wrapping, bytes(row.wrapped), _bound(response.uuid, f"data-key:{row.key_name}"))


def _bound(owner: uuid.UUID, purpose: str) -> bytes:
    # The UUID has a fixed length, so no two pairs of owner and purpose give the same bytes.
    return FORMAT + owner.bytes + purpose.encode()


def _encrypt(key: bytes, text: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return FORMAT + nonce + AESGCM(key).encrypt(nonce, text, bound)


def _decrypt(key: bytes, blob: bytes, bound: bytes) -> bytes:
    if blob[:1] != FORMAT or len(blob) <= 1 + NONCE_BYTES:
        raise SealBroken("The document has no known form.")
    try:
        return AESGCM(key).decrypt(blob[1 : 1 + NONCE_BYTES], blob[1 + NONCE_BYTES :], bound)
    except (InvalidTag, ValueError, OverflowError):
        raise SealBroken("The document does not open: it was changed, moved, or its key is another one.") from None
