"""Hooks of schemathesis: what is sent to somebody else, and what of a document only tests want."""

import os

import schemathesis

# What fits its schema may be refused for what it means: a role that nobody has, a time that is past. Here is what, operation by
# operation: (field, code). What is refused for its form has another code, or stands at another field, and fails the check.
PLACES = {("roles", "unknown_role"), ("organizations", "unknown_role"), ("organizations", "unknown_organization")}
PLACES |= {("groups", "unknown_group"), ("groups", "owned_by_source"), ("expires_at", "in_the_past")}
HOME = {("managed_by", "unknown_organization"), ("managed_by", "not_a_member")}
# Of a source's user its source keeps these; a local one has an address.
OWNED = {(name, "owned_by_source") for name in ("username", "name", "email", "phone", "description", "expires_at")}
OWNED |= {("email", "required")}
TOKENS = {("scopes", "not_held"), ("networks", "not_held"), ("networks", "behind_prefix"), ("expires_at", "in_the_past")}
COLUMNS = {("columns", "unknown_column"), ("columns", "duplicate_column"), ("columns", "secret_column")}
# No pattern says what a filter is: its grammar nests.
FILTER = {("filter", "malformed"), ("filter", "unknown_attribute")}
MEANT = {
    "createUser": PLACES | HOME,
    "duplicateUser": PLACES | HOME,
    "updateUser": PLACES | HOME | OWNED | {("kept", "not_pulled")},
    "changeUsers": PLACES | FILTER,
    "listUsers": FILTER,
    "exportUsers": FILTER | COLUMNS,
    "updateMe": OWNED,
    "listGroups": FILTER,
    "createGroup": {("organization", "unknown_organization")},
    # No schema adds up how long several lists are.
    "changeMembers": {
        ("add_users", "too_many"),
        ("add_users", "unknown_user"),
        ("remove_users", "unknown_user"),
        ("add_groups", "unknown_group"),
        ("remove_groups", "unknown_group"),
    },
    "changeOrganizationMembers": {
        ("add", "too_many"),
        ("add", "unknown_user"),
        ("add", "unknown_role"),
        ("add", "twice"),
        ("remove", "unknown_user"),
        ("remove", "twice"),
    },
    "createRole": {("clone", "unknown_role"), ("permissions", "out_of_place")},
    "updateRole": {("permissions", "out_of_place")},
    "createToken": TOKENS | {("source", "unknown_source")},
    "updateToken": TOKENS | {("scopes", "not_of_scopes")},
    # It depends on who asks, and a session may be over.
    "issueToken": {("audience", "unknown_audience")} | {("session", code) for code in ("misplaced", "missing", "ended")},
    "listAudit": {("actor", "unknown_user")},
    "exportAudit": {("actor", "unknown_user")},
    "testSms": {("provider", "unknown"), ("to", "not_admitted")},
    "enrolInLogin": {("method", "too_many")},
    "enrolFactor": {("method", "too_many")},
    # Whose factor is a face sends none.
    "confirmFactor": {("code", "missing")},
}

# Which letters there are, tables of Unicode say; and a length in bytes is not one in characters. Of ASCII, patterns say all.
BEYOND_ASCII = {("username", "malformed"), ("username", "invalid"), ("email", "malformed"), ("to", "malformed")}
BEYOND_ASCII |= {("password", "too_long")}

# What a password must be, the settings say, and who has it; and which hashes can be used, their numbers.
RULES = {("password", code) for code in ("too_short", "contains_name", "blocklisted", "used_before", "kept_elsewhere")}
RULES |= {("password_hash", "unusable_hash"), ("password_hash", "kept_elsewhere")}

# No schema says what stands in a file.
FILES = {"invalid_rows", "duplicate_column", "missing_column", "unknown_column", "open_quotation", "file_empty"}
FILES |= {"file_malformed", "file_not_text", "file_not_utf8", "file_separator", "file_too_large", "file_bomb"}

# Codes of whole requests, at the operations where they say what is meant.
CODES = {
    "importUsers": FILES,
    "forwardAuth": {"no_original_request"},
    "enrolInLogin": {"consent_required"},
    "enrolFactor": {"consent_required"},
    "updateSettings": {"invalid_settings"},
}

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


def exemplify(schema):
    """What is only taken from now on, and what is mostly of letters that are none, keeps all beside it from being tried."""
    if isinstance(schema, dict):
        if schema.get("format") == "date-time":
            schema["examples"] = ["2999-12-31T23:59:59Z"]
        if schema.get("maxLength") == 254:
            schema["examples"] = ["tester@example.net"]
        for part in schema.values():
            exemplify(part)
    elif isinstance(schema, list):
        for part in schema:
            exemplify(part)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    schemas = raw_schema["components"]["schemas"]
    for name in schemas:
        close(schemas[name])
    for path in raw_schema["paths"].values():
        for operation in path.values():
            exemplify(operation.get("requestBody"))
            for response in operation["responses"].values():
                for content in response.get("content", {}).values():
                    close(content["schema"])


@schemathesis.hook
def before_call(context, case, kwargs):
    for name, value in (case.path_parameters or {}).items():
        if str(value).casefold() in OURS:
            case.path_parameters[name] = "nobody"


def is_meant(case, operation, error):
    """Is a field refused for what it means?"""
    field, code = error["field"], error["code"]
    if (field, code) in MEANT.get(operation, ()):
        return True
    if (field, code) == ("cursor", "malformed"):
        # Cursors are opaque: nothing is said of them but where they come from.
        return field in (case.query or {})
    if operation == "updateSettings":
        # By dotted keys and by sections: no schema compares the two.
        return code == "twice"
    value = case.body.get(field) if isinstance(case.body, dict) else None
    if (field, code) in BEYOND_ASCII:
        return isinstance(value, str) and not value.isascii()
    # Time ends for the daemon within the last day of the last year that RFC 3339 can write.
    return (field, code) == ("expires_at", "malformed") and str(value).startswith(("9999-12-30", "9999-12-31"))


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if type(failure).__name__ != "RejectedPositiveData":
        return True
    try:
        problem = response.json()
    except ValueError:
        return True
    operation, code = case.operation.definition.raw["operationId"], problem.get("code")
    if code == "invalid_fields":
        return not all(is_meant(case, operation, error) for error in problem["errors"])
    if code == "password_rejected":
        errors = problem["errors"]
        return not all((error["field"], error["code"]) in RULES or is_meant(case, operation, error) for error in errors)
    if code == "stale":
        return "If-Match" not in (case.headers or {})
    return code not in CODES.get(operation, ())
