"""A questionnaire as plain data. Pure: no database, no clock, no request."""

# Questions that the code knows by name.
BIRTH_DATE = "age-date-of-birth"
AREAS = "treatment-area"
AFTER_LAST_SESSION = "recheck-problems"
