"""``manage.py check_invariants``: what must always be true (DESIGN section 4), each as a query; lists what breaks it.

It asks the rows, and whether the walls that guard them stand. Tests, fault runs and operators use the same command.
Rows are named by their primary keys only: nothing about a person is printed. Exit status 1 when anything is broken.
"""

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection

from clinic.apps import append_only_tables
from clinic.roles import ROLE_TABLES

FREED = ["cancelled", "noshow", "entered-in-error"]  # these take up no time

# invariant -> what is wrong with each row that the query finds -> query
QUERIES = {
    "I1": {
        "appointments a practitioner has at the same time": """
            SELECT a.id, b.id FROM booking_appointment a JOIN booking_appointment b
            ON b.practitioner_id = a.practitioner_id AND b.lane = a.lane AND b.id > a.id
            AND a.starts_at < b.busy_until AND b.starts_at < a.busy_until
            WHERE a.status <> ALL (%(freed)s) AND b.status <> ALL (%(freed)s)""",
        "appointments in one room at the same time": """
            SELECT a.id, b.id FROM booking_appointment a JOIN booking_appointment b
            ON b.room_id = a.room_id AND b.id > a.id
            AND a.starts_at < b.busy_until AND b.starts_at < a.busy_until
            WHERE a.status <> ALL (%(freed)s) AND b.status <> ALL (%(freed)s)""",
        "appointments of one patient at the same time": """
            SELECT a.id, b.id FROM booking_appointment a JOIN booking_appointment b
            ON b.patient_id = a.patient_id AND b.id > a.id
            AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at
            WHERE a.status <> ALL (%(freed)s) AND b.status <> ALL (%(freed)s)""",
        "overbooked without who and why": """
            SELECT id FROM booking_appointment
            WHERE lane NOT IN (0, 1) OR (lane = 1) <> (overbooked_by_id IS NOT NULL AND overbook_reason <> '')""",
        "an end before the start": """
            SELECT id FROM booking_appointment WHERE ends_at <= starts_at OR busy_until < ends_at""",
    },
    "I2": {
        "booked, arrived or checked in on a decision that does not clear": """
            SELECT b.id FROM booking_appointment b JOIN clinic_treatment t ON t.id = b.treatment_id
            WHERE t.kind = 'treatment' AND b.status IN ('booked', 'arrived', 'checked-in')
            AND NOT COALESCE(screening_review_clears(
                b.review_id, b.patient_id, b.treatment_id, b.area_id, b.local_date), false)""",
        "fulfilled without the clearing decision of that patient, treatment, area and day": """
            SELECT b.id FROM booking_appointment b JOIN clinic_treatment t ON t.id = b.treatment_id
            LEFT JOIN screening_review r ON r.id = b.review_id AND r.patient_id = b.patient_id
                AND r.treatment_id = b.treatment_id AND r.area_id = b.area_id
                AND r.outcome IN ('cleared', 'cleared-with-conditions')
                AND b.local_date BETWEEN r.valid_from AND r.valid_until
            WHERE t.kind = 'treatment' AND b.status = 'fulfilled' AND r.id IS NULL""",
        "a day that is not the local day of its start": """
            SELECT b.id FROM booking_appointment b JOIN clinic_room r ON r.id = b.room_id
            JOIN clinic_location l ON l.id = r.location_id
            WHERE b.local_date IS DISTINCT FROM (b.starts_at AT TIME ZONE l.time_zone)::date""",
    },
    "I3": {
        "sessions of one patient on one area closer than the larger interval": """
            SELECT a.id, b.id FROM booking_appointment a JOIN booking_appointment b
            ON b.patient_id = a.patient_id AND b.area_id = a.area_id AND b.id > a.id
            AND a.interval_days > 0 AND b.interval_days > 0
            AND abs(a.local_date - b.local_date) < greatest(a.interval_days, b.interval_days)
            WHERE a.status <> ALL (%(freed)s) AND b.status <> ALL (%(freed)s)""",
        "a treatment of no area": """
            SELECT b.id FROM booking_appointment b JOIN clinic_treatment t ON t.id = b.treatment_id
            WHERE t.kind = 'treatment' AND b.area_id IS NULL""",
    },
    "I4": {
        "a published questionnaire without two people's names": """
            SELECT id FROM screening_questionnaire WHERE status <> 'draft' AND (published_at IS NULL
                OR published_by_id IS NULL OR proposed_by_id IS NULL OR published_by_id = proposed_by_id)""",
        "finished answers without their time": """
            SELECT id FROM screening_questionnaireresponse
            WHERE (status = 'in-progress') <> (completed_at IS NULL)
               OR (status = 'in-progress') <> (answered_on IS NULL)""",
        "answers marked as entered in error without who and when": """
            SELECT id FROM screening_questionnaireresponse WHERE (status = 'entered-in-error')
                <> (entered_in_error_at IS NOT NULL AND entered_in_error_by_id IS NOT NULL)""",
        "answers to a questionnaire that was never published": """
            SELECT r.id FROM screening_questionnaireresponse r
            JOIN screening_questionnaire q ON q.id = r.questionnaire_id WHERE q.status = 'draft'""",
        "a decision about answers that are unfinished, or another patient's": """
            SELECT v.id FROM screening_review v JOIN screening_questionnaireresponse r ON r.id = v.response_id
            JOIN screening_assessment a ON a.id = v.assessment_id
            WHERE r.status = 'in-progress' OR r.patient_id IS DISTINCT FROM v.patient_id
               OR a.response_id <> v.response_id""",
    },
    "I5": {
        "messages of one event": """
            SELECT min(id), max(id) FROM outbox_message GROUP BY key HAVING count(*) > 1""",
        "a message sent without a time, or a time without being sent": """
            SELECT id FROM outbox_message WHERE (state = 'sent') <> (sent_at IS NOT NULL)""",
        "a message sent again without a name to it": """
            SELECT id FROM outbox_message WHERE (resend_of_id IS NULL) <> (resent_by_id IS NULL)""",
    },
    "I6": {
        "cancelled without who, when and why, or these without being cancelled": """
            SELECT id FROM booking_appointment WHERE
                (status = 'cancelled') <> (cancelled_at IS NOT NULL)
                OR (status = 'cancelled') <> (cancelled_by <> '')
                OR (status = 'cancelled') <> (cancel_reason <> '')
                OR (cancelled_by IN ('staff', 'clinician')) <> (cancelled_by_user_id IS NOT NULL)
                OR (cancelled_late AND status <> 'cancelled')""",
        "entered in error without who, when and why, or these without being so": """
            SELECT id FROM booking_appointment WHERE
                (status = 'entered-in-error') <> (entered_in_error_at IS NOT NULL)
                OR (status = 'entered-in-error') <> (entered_in_error_by_id IS NOT NULL)
                OR (status = 'entered-in-error') <> (entered_in_error_reason <> '')""",
    },
    "I7": {
        "a decision about one's own answers": """
            SELECT v.id FROM screening_review v JOIN clinic_patient p ON p.id = v.patient_id
            WHERE p.user_id = v.decided_by_id""",
        "a second signature by the same person or the patient": """
            SELECT s.id FROM screening_cosignature s JOIN screening_review v ON v.id = s.review_id
            JOIN clinic_patient p ON p.id = v.patient_id
            WHERE s.signed_by_id IN (v.decided_by_id, p.user_id)""",
        "a clearance of what nobody can clear": """
            SELECT v.id FROM screening_review v JOIN screening_assessment a ON a.id = v.assessment_id
            WHERE v.outcome IN ('cleared', 'cleared-with-conditions')
              AND (a.override = 'O0' OR a.effect = 'incomplete')""",
        "a clearance for longer than 90 days from the answers": """
            SELECT v.id FROM screening_review v JOIN screening_questionnaireresponse r ON r.id = v.response_id
            WHERE v.outcome IN ('cleared', 'cleared-with-conditions')
              AND (v.valid_until > r.answered_on + 90 OR v.valid_from < r.answered_on)""",
    },
}

# invariant -> triggers and constraints that have to be there and on; with its table where a name is there twice
WALLS = {
    "I1": [
        "booking_appointment_practitioner_in_one_place",
        "booking_appointment_room_in_one_place",
        "booking_appointment_patient_in_one_place",
        "booking_appointment_overbooking_is_recorded",
        "booking_appointment_b_transition",
        "booking_appointment_never_deleted",
        "booking_workinghours_in_one_place",
    ],
    "I2": [
        "booking_appointment_c_clearance",
        "booking_nothing_left_on_old_response",
        "booking_nothing_left_on_old_review",
        "booking_nothing_left_on_old_questionnaire",
        "clinic_treatment_keep_kind",
        "clinic_location_keeps_its_zone",
        "clinic_room_keeps_its_place",
    ],
    "I3": ["booking_appointment_a_set_days", "booking_appointment_interval_kept"],
    "I4": [
        "screening_questionnaire_keep",
        "screening_questionnaire_born_draft",
        "screening_section_keep",
        "screening_question_keep",
        "screening_choice_keep",
        "screening_rule_keep",
        "screening_response_keep",
        "screening_response_born",
        "screening_response_answered_on_its_day",
        "screening_assessment_never_changes",
        "screening_review_never_changes",
        "screening_cosignature_never_changes",
        "screening_reply_never_changes",
        "screening_questionnaire_treatments_keep",
        "education_articlerevision_append_only",
        "education_articlereview_append_only",
        "education_review_by_a_clinician",
        "education_reviewrequest_append_only",
        "education_publication_append_only",
        "education_published_is_signed on education_article",
        "education_published_is_signed on education_publication",
        "education_source_append_only",
        "education_source_comes_with_its_revision",
        "education_picture_stays_as_it_is",
        # the history of visits, written by django-pghistory
        "pgtrigger_insert_insert_335d5",
        "pgtrigger_update_update_ec586",
        "pgtrigger_append_only_dcdaf",
    ],
    "I5": ["outbox_message_key_key", "outbox_message_sent_stays", "outbox_message_state_is_known"],
    "I6": [
        "booking_appointment_cancelled_who_when_why",
        "booking_appointment_cancel_reason_known",
        "booking_appointment_error_who_when_why",
    ],
    "I7": ["screening_review_check", "screening_cosignature_check"],
}


class Command(BaseCommand):
    help = "Check that what must always be true is true, and that the walls around it stand. Exit 1 when not."

    def handle(self, *args, **options):
        broken = 0
        with connection.cursor() as cursor:
            for invariant, queries in QUERIES.items():
                found = []
                for words, query in queries.items():
                    cursor.execute(query, {"freed": FREED})
                    found += [f"{words}: {', '.join(str(pk) for pk in row)}" for row in cursor.fetchall()]
                found += [f"this wall is missing or off: {wall}" for wall in self.fallen(cursor, WALLS[invariant])]
                if invariant == "I4":
                    found += [f"the web role may change {table}" for table in self.changeable(cursor)]
                if invariant == "I7":
                    found += [f"the web role may change {table}" for table in self.insertable(cursor)]
                    found += [f"this function can be made to read other tables: {name}" for name in self.open(cursor)]
                self.stdout.write(f"{invariant} {'ok' if not found else 'BROKEN'}")
                for line in found:
                    self.stdout.write(f"   {line}")
                broken += len(found)
        self.stdout.write("All invariants hold." if not broken else f"{broken} things are wrong.")
        if broken:
            raise SystemExit(1)

    def fallen(self, cursor, walls: list[str]) -> list[str]:
        """The triggers and constraints that are not there, or are switched off."""
        cursor.execute(
            "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')"
            " UNION ALL SELECT conname, conrelid::regclass::text FROM pg_constraint WHERE convalidated"
        )
        standing = {name for wall, table in cursor.fetchall() for name in (wall, f"{wall} on {table}")}
        return [wall for wall in walls if wall not in standing]

    def changeable(self, cursor) -> list[str]:
        """Tables in which the web role could rewrite what is kept for good. Nothing where one role does both."""
        role = settings.DATABASE_WEB_ROLE
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if not cursor.fetchone():
            return []
        tables = append_only_tables()
        cursor.execute(
            "SELECT t FROM unnest(%s::text[]) AS t WHERE has_table_privilege(%s, t, 'UPDATE')"
            " OR has_table_privilege(%s, t, 'DELETE') OR has_table_privilege(%s, t, 'TRUNCATE')",
            [tables, role, role, role],
        )
        return [table for (table,) in cursor.fetchall()]

    def insertable(self, cursor) -> list[str]:
        """Tables of what a role may do that the web role could write. Nothing where one role does both."""
        role = settings.DATABASE_WEB_ROLE
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if not cursor.fetchone():
            return []
        cursor.execute(
            "SELECT t FROM unnest(%s::text[]) AS t"
            " WHERE has_table_privilege(%s, t, 'INSERT, UPDATE, DELETE, TRUNCATE')",
            [ROLE_TABLES, role],
        )
        return [table for (table,) in cursor.fetchall()]

    def open(self, cursor) -> list[str]:
        """Functions of the walls that look among temporary tables before ours."""
        cursor.execute(
            "SELECT DISTINCT p.proname FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace"
            " AND p.proname ~ '^(booking|screening|clinic|education|outbox)_'"
            " AND NOT COALESCE('search_path=public, pg_temp' = ANY (p.proconfig), false) ORDER BY 1"
        )
        return [name for (name,) in cursor.fetchall()]
