"""Hooks of schemathesis: what is sent to somebody else, and what of a document only tests want."""

import os

import schemathesis

# Values that fit their schema may be refused for what they say: a role that nobody has, a time that is past, a filter of no
# meaning. These codes say so. A value that is refused for its form has another code, and fails the check.
SAID = {"invalid_fields", "password_rejected", "consent_required", "no_original_request", "stale", "invalid_settings"}
# No schema says what stands in a file.
SAID |= {"invalid_rows", "duplicate_column", "missing_column", "unknown_column", "open_quotation", "file_empty"}
SAID |= {"file_malformed", "file_not_text", "file_not_utf8", "file_separator", "file_too_large", "file_bomb"}

# The user, the session and the token of the tests themselves: who ends them has nothing to test with.
OURS = [value for value in (os.environ.get("MUSTERD_OURS") or "").split(",") if value]


@schemathesis.serializer("text/csv", "text/x-ldif", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
def serialize_file(context, value):
    return {"data": value if isinstance(value, bytes) else str(value).encode()}


def close(schema):
    """Clients are to ignore members that they do not know. Tests are not: a member that is not documented is a fault."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and schema.get("properties") and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
        for part in schema.values():
            close(part)
    elif isinstance(schema, list):
        for part in schema:
            close(part)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    schemas = raw_schema["components"]["schemas"]
    for name in schemas:
        close(schemas[name])
    for path in raw_schema["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                for content in response.get("content", {}).values():
                    close(content["schema"])


@schemathesis.hook
def before_call(context, case, kwargs):
    for name, value in (case.path_parameters or {}).items():
        if str(value).casefold() in OURS:
            case.path_parameters[name] = "nobody"


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if type(failure).__name__ != "RejectedPositiveData":
        return True
    try:
        return response.json().get("code") not in SAID
    except ValueError:
        return True
