//! The User schema and the enterprise extension (RFC 7643 §4.1, §4.3).
//!
//! Owns the definitions only. Canonical values are listed for clients and not enforced.

use super::super::schema::{Attribute, AttributeType, Mutability, Returned, Schema, Uniqueness};

const PLACES: &[&str] = &["work", "home", "other"];

/// The core schema (RFC 7643 §4.1).
pub(super) fn core() -> Schema {
    let mut attributes = singular();
    attributes.extend(plural());
    Schema { id: super::USER_URN, name: "User", description: "A user account", attributes }
}

/// The enterprise extension (RFC 7643 §4.3).
pub(super) fn enterprise() -> Schema {
    let manager = vec![
        Attribute::text("value", "The id of the manager's User").case_exact(),
        Attribute::reference("$ref", &["User"], "Where the manager's User is"),
        Attribute::text("displayName", "The manager's name for display").read_only(),
    ];
    Schema {
        id: super::ENTERPRISE_URN,
        name: "EnterpriseUser",
        description: "What an employer adds to a user",
        attributes: vec![
            Attribute::text("employeeNumber", "Number or code given by the organisation"),
            Attribute::text("costCenter", "Name of the cost centre"),
            Attribute::text("organization", "Name of the organisation"),
            Attribute::text("division", "Name of the division"),
            Attribute::text("department", "Name of the department"),
            Attribute::complex("manager", "The user's manager", manager),
        ],
    }
}

/// RFC 7643 §4.1.1.
fn singular() -> Vec<Attribute> {
    let name = vec![
        Attribute::text("formatted", "The full name for display"),
        Attribute::text("familyName", "Family or last name"),
        Attribute::text("givenName", "Given or first name"),
        Attribute::text("middleName", "Middle names"),
        Attribute::text("honorificPrefix", "Title before the name"),
        Attribute::text("honorificSuffix", "Suffix after the name"),
    ];
    vec![
        Attribute::text("userName", "What the user types to sign in").required().unique(Uniqueness::Server),
        Attribute::complex("name", "The parts of the user's name", name),
        Attribute::text("displayName", "The name shown to others"),
        Attribute::text("nickName", "What the user is called casually"),
        Attribute::reference("profileUrl", &["external"], "A page about the user"),
        Attribute::text("title", "Job title"),
        Attribute::text("userType", "The relation between organisation and user"),
        Attribute::text("preferredLanguage", "Languages the user prefers, as in Accept-Language"),
        Attribute::text("locale", "Locale for numbers, dates and currency"),
        Attribute::text("timezone", "Time zone name, such as Europe/Berlin"),
        Attribute::boolean("active", "Whether the user may sign in"),
        Attribute::text("password", "Sets the password; never returned")
            .case_exact()
            .mutability(Mutability::WriteOnly)
            .returned(Returned::Never),
    ]
}

/// RFC 7643 §4.1.2.
fn plural() -> Vec<Attribute> {
    let value = |description| Attribute::text("value", description);
    let photo = Attribute::reference("value", &["external"], "Where the picture is");
    let certificate = Attribute::new(AttributeType::Binary, "value", "One DER certificate in base64");
    vec![
        list("emails", "Email addresses", value("The address"), PLACES),
        list(
            "phoneNumbers",
            "Phone numbers",
            value("The number, best as an RFC 3966 tel URI"),
            &["work", "home", "mobile", "fax", "pager", "other"],
        ),
        list(
            "ims",
            "Instant messaging addresses",
            value("The address"),
            &["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"],
        ),
        list("photos", "Pictures of the user", photo, &["photo", "thumbnail"]),
        addresses(),
        groups(),
        list("entitlements", "Things the user is entitled to", value("The entitlement"), &[]),
        list("roles", "Roles of the user", value("The role"), &[]),
        list("x509Certificates", "Certificates of the user", certificate, &[]),
    ]
}

/// A list with the usual parts: value, display, type, primary (RFC 7643 §2.4).
fn list(name: &'static str, description: &'static str, value: Attribute, types: &'static [&'static str]) -> Attribute {
    let parts = vec![
        value,
        Attribute::text("display", "A name for display"),
        Attribute::text("type", "What it is for").usually(types),
        Attribute::boolean("primary", "Whether this is the preferred one; at most one is"),
    ];
    Attribute::complex(name, description, parts).many()
}

fn addresses() -> Attribute {
    let parts = vec![
        Attribute::text("formatted", "The whole address for display or a label"),
        Attribute::text("streetAddress", "Street, house number, P.O. box"),
        Attribute::text("locality", "City"),
        Attribute::text("region", "State or region"),
        Attribute::text("postalCode", "Postal code"),
        Attribute::text("country", "Country, best as an ISO 3166-1 alpha-2 code"),
        Attribute::text("type", "What it is for").usually(PLACES),
        Attribute::boolean("primary", "Whether this is the preferred one; at most one is"),
    ];
    Attribute::complex("addresses", "Postal addresses", parts).many()
}

fn groups() -> Attribute {
    let parts = vec![
        Attribute::text("value", "The id of the Group").case_exact(),
        Attribute::reference("$ref", &["Group"], "Where the Group is"),
        Attribute::text("display", "The Group's name for display"),
        Attribute::text("type", "Member itself or through another group").usually(&["direct", "indirect"]),
    ];
    Attribute::complex("groups", "Groups the user belongs to; changed through Groups only", parts).many().read_only()
}
