//! RFC 7643 §2: names, types, lists, and what "no value" is.

use serde_json::{Value, json};

use super::{ENTERPRISE, GYM, Idp, Service, USER, id, local, op, sorted};

/// A create that is refused for a value.
fn refuses(idp: &Idp, name: &str, value: &Value) {
    let body = json!({"schemas": [USER, GYM], "userName": "nobody", GYM: {name: value}});
    idp.post("/Users", &body).refused(400, "invalidValue");
}

#[test]
fn rfc7643_2_1_names_match_in_any_case_and_come_back_in_the_schemas_spelling() {
    let service = Service::start();
    let body = json!({"SCHEMAS": [USER, ENTERPRISE], "USERNAME": "ada", "Name": {"GIVENNAME": "Ada"},
        "eMails": [{"VALUE": "ada@example.org", "Type": "work", "PRIMARY": true}],
        ENTERPRISE.to_uppercase(): {"DEPARTMENT": "Engines"}});
    let made = service.post("/Users", &body).with(201);
    assert_eq!(made.json["userName"], "ada");
    assert_eq!(made.json["name"], json!({"givenName": "Ada"}));
    assert_eq!(made.json["emails"], json!([{"value": "ada@example.org", "type": "work", "primary": true}]));
    assert_eq!(made.json[ENTERPRISE], json!({"department": "Engines"}));
    let path = format!("/Users/{}", made.text("/id"));
    let patched = service.patch(&path, &op("replace", "NAME.GivenName", json!("Augusta"))).with(200);
    assert_eq!(patched.json["name"], json!({"givenName": "Augusta"}));
}

#[test]
fn rfc7643_2_1_every_resource_and_message_is_json_with_schemas() {
    // What any answer has is looked at by `Said::checked`; here, that resources inside answers have it too.
    let service = Service::start();
    let user = id(&service.user("ada", json!({})));
    service.group("staff", &[&user]);
    service.locker("L1");
    for path in ["/", "/Users", "/Groups", "/Lockers", "/Schemas", "/ResourceTypes"] {
        let listed = service.get(path).with(200).listed();
        assert!(!listed.is_empty(), "{path}");
        for resource in listed {
            assert!(resource["schemas"].as_array().is_some_and(|urns| !urns.is_empty()), "{path}: {resource}");
        }
    }
    // The same of what is sent.
    for body in [json!({"userName": "bob"}), json!({"schemas": [], "userName": "bob"})] {
        assert_eq!(service.post("/Users", &body).status, 400);
    }
    for body in [json!({"Operations": op("add", "title", json!("x"))}), json!({"schemas": [], "Operations": []})] {
        let said = service.send("PATCH", &format!("/Users/{user}"), Some(body.to_string()), &[]);
        said.refused(400, "invalidSyntax");
    }
}

#[test]
fn rfc7643_2_1_attribute_names_fit_the_grammar() {
    fn check(attributes: &Value) {
        for attribute in attributes.as_array().unwrap() {
            let name = attribute["name"].as_str().unwrap();
            // "$ref" is in the RFC's own schemas and not in its grammar.
            let fits = name.starts_with(|first: char| first.is_ascii_alphabetic()) || name == "$ref";
            assert!(fits && name.chars().all(|c| c.is_ascii_alphanumeric() || "$-_".contains(c)), "{name}");
            if let Some(parts) = attribute.get("subAttributes") {
                check(parts);
            }
        }
    }
    let service = Service::start();
    for schema in service.get("/Schemas").with(200).listed() {
        check(&schema["attributes"]);
    }
}

#[test]
fn rfc7643_2_3_2_a_boolean_comes_back_as_true_or_false() {
    let service = Service::start();
    let more = json!({"active": "True", "emails": [{"value": "a@example.org", "primary": "TRUE"}],
        GYM: {"visitor": "false"}});
    let made = service.user("ada", more);
    assert_eq!((&made["active"], &made["emails"][0]["primary"]), (&json!(true), &json!(true)));
    assert_eq!(made[GYM]["visitor"], json!(false));
    for wrong in [json!("perhaps"), json!(1), json!("1"), json!([true]), json!({"value": true})] {
        refuses(&service, "visitor", &wrong);
    }
}

#[test]
fn rfc7643_2_3_4_an_integer_has_no_fraction_and_no_exponent() {
    let service = Service::start();
    for (number, name) in [("36", "a"), ("-7", "b"), ("0", "c"), ("9007199254740993", "d")] {
        let body = format!(r#"{{"schemas":["{USER}","{GYM}"],"userName":"{name}","{GYM}":{{"age":{number}}}}}"#);
        let made = service.send("POST", "/Users", Some(body), &[]).with(201);
        assert_eq!(made.json[GYM]["age"].to_string(), number, "comes back as it was");
        assert!(made.json[GYM]["age"].is_i64() || made.json[GYM]["age"].is_u64());
    }
    for number in ["1.5", "1.0", "1e3", "1E+3", "\"36\"", "true", "[36]"] {
        let body = format!(r#"{{"schemas":["{USER}"],"userName":"x","{GYM}":{{"age":{number}}}}}"#);
        service.send("POST", "/Users", Some(body), &[]).refused(400, "invalidValue");
    }
}

#[test]
fn rfc7643_2_3_5_a_date_time_holds_date_and_time() {
    let service = Service::start();
    let good =
        ["2026-01-31T08:00:00Z", "2026-01-31T08:00:00.123Z", "2026-01-31T09:00:00+01:00", "2008-01-23T04:56:22Z"];
    for (number, time) in good.into_iter().enumerate() {
        let made = service.user(&format!("u{number}"), json!({GYM: {"joinedAt": time}}));
        assert_eq!(made[GYM]["joinedAt"], time);
    }
    let wrong =
        ["2020-01-01", "08:00:00", "2026-01-31 08:00:00Z", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "now"];
    for wrong in wrong {
        refuses(&service, "joinedAt", &json!(wrong));
    }
    refuses(&service, "joinedAt", &json!(1_769_846_400));
}

#[test]
fn rfc7643_2_3_6_a_binary_is_base64() {
    let service = Service::start();
    let certificate = "MIIBszCCAVmgAwIBAgIUf+w/aGk=";
    let made = service.user("ada", json!({"x509Certificates": [{"value": certificate}], GYM: {"print": "aGk="}}));
    assert_eq!(made["x509Certificates"], json!([{"value": certificate}]));
    assert_eq!(made[GYM]["print"], "aGk=");
    for wrong in [json!("not base64!"), json!("a"), json!("aGk=aGk="), json!("-----BEGIN"), json!(7)] {
        refuses(&service, "print", &wrong);
        let body = json!({"schemas": [USER], "userName": "bob", "x509Certificates": [{"value": wrong}]});
        service.post("/Users", &body).refused(400, "invalidValue");
    }
}

#[test]
fn rfc7643_2_3_7_a_reference_is_a_uri() {
    let service = Service::start();
    for (number, uri) in ["https://example.org/~ada?x=1#me", "../Users/77", "/Users/77", "urn:x:y"].iter().enumerate() {
        let made = service.user(&format!("u{number}"), json!({"profileUrl": uri, GYM: {"home": uri}}));
        assert_eq!((&made["profileUrl"], &made[GYM]["home"]), (&json!(uri), &json!(uri)));
    }
    for wrong in [json!("https://example.org/a b"), json!("<x>"), json!("a\"b"), json!(7)] {
        refuses(&service, "home", &wrong);
        let body = json!({"schemas": [USER], "userName": "bob", "profileUrl": wrong});
        service.post("/Users", &body).refused(400, "invalidValue");
    }
}

#[test]
fn rfc7643_2_3_7_a_ref_that_is_returned_can_be_fetched() {
    let service = Service::start();
    let user = id(&service.user("ada", json!({})));
    let inner = service.group("inner", &[&user]);
    let outer = service.group("outer", &[&inner]);
    let report = service.user("bob", json!({ENTERPRISE: {"manager": {"value": user}}}));
    let mut references = Vec::new();
    for path in [format!("/Users/{user}"), format!("/Groups/{inner}"), format!("/Groups/{outer}")] {
        let shown = service.get(&path).with(200);
        for list in ["groups", "members"] {
            references.extend(shown.json[list].as_array().cloned().unwrap_or_default());
        }
    }
    assert_eq!(references.len(), 4, "two groups of the user, a member of each group: {references:?}");
    let manager = report[ENTERPRISE]["manager"].clone();
    references.extend(Some(manager).filter(|manager| manager.get("$ref").is_some()));
    for reference in references {
        assert_eq!(service.get(local(&reference["$ref"])).with(200).json["id"], reference["value"]);
    }
}

#[test]
fn rfc7643_2_3_8_the_order_of_members_does_not_matter() {
    let service = Service::start();
    let body = format!(
        r#"{{"emails":[{{"primary":true,"type":"work","value":"a@example.org"}}],"{ENTERPRISE}":{{"department":"d"}},
        "userName":"ada","schemas":["{ENTERPRISE}","{USER}"]}}"#
    );
    let first = service.send("POST", "/Users", Some(body), &[]).with(201);
    assert_eq!(first.json["emails"], json!([{"value": "a@example.org", "type": "work", "primary": true}]));
    assert_eq!(first.json[ENTERPRISE]["department"], "d");
    let patch = r#"{"Operations":[{"value":"Dr","path":"title","op":"add"}],
        "schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}"#;
    let path = format!("/Users/{}", first.text("/id"));
    assert_eq!(service.send("PATCH", &path, Some(patch.to_owned()), &[]).with(200).json["title"], "Dr");
}

#[test]
fn rfc7643_2_3_8_a_complex_attribute_has_no_complex_parts() {
    let service = Service::start();
    for schema in service.get("/Schemas").with(200).listed() {
        for attribute in schema["attributes"].as_array().unwrap() {
            for part in attribute["subAttributes"].as_array().into_iter().flatten() {
                // The schema of schemas (§7) breaks the rule itself.
                let own = schema["name"] == "Schema" && part["name"] == "subAttributes";
                assert!(part["type"] != "complex" || own, "{attribute}");
            }
        }
    }
}

#[test]
fn rfc7643_2_4_at_most_one_value_is_primary() {
    let service = Service::start();
    let two = json!([{"value": "a@example.org", "primary": true}, {"value": "b@example.org", "primary": true}]);
    let primaries = |user: &Value| {
        let emails = user["emails"].as_array().cloned().unwrap_or_default();
        emails.iter().filter(|email| email["primary"] == true).count()
    };
    let path = service.path_of("ada", json!({}));
    let create = json!({"schemas": [USER], "userName": "bob", "emails": two});
    let replace = json!({"schemas": [USER], "userName": "ada", "emails": two});
    let answers = [
        service.post("/Users", &create),
        service.put(&path, &replace),
        service.patch(&path, &op("replace", "emails", two)),
    ];
    for said in answers {
        // Refused, or put right.
        if said.status == 400 {
            said.refused(400, "invalidValue");
        } else {
            assert!(primaries(&said.json) <= 1, "{said:?}");
        }
    }
    for user in service.get("/Users").with(200).listed() {
        assert!(primaries(&user) <= 1, "{user}");
    }
}

#[test]
fn rfc7643_2_4_a_missing_primary_means_false() {
    let service = Service::start();
    service.user("ada", json!({"emails": [{"value": "a@example.org"}]}));
    service.user("bob", json!({"emails": [{"value": "b@example.org", "primary": true}]}));
    service.user("carl", json!({"emails": [{"value": "c@example.org", "primary": false}]}));
    assert_eq!(service.names("emails[primary eq false]"), ["ada", "carl"]);
    assert_eq!(service.names("emails[primary ne true]"), ["ada", "carl"]);
    assert_eq!(service.names("emails[primary eq true]"), ["bob"]);
}

#[test]
fn rfc7643_2_4_the_same_value_of_a_type_is_not_returned_twice() {
    let service = Service::start();
    let work = json!({"value": "a@example.org", "type": "work"});
    let home = json!({"value": "a@example.org", "type": "home"});
    let shown = json!({"value": "a@example.org", "type": "work", "display": "A"});
    let pairs = |user: &Value| {
        let emails = user["emails"].as_array().cloned().unwrap_or_default();
        let pair = |email: &Value| format!("{} {}", email["value"].as_str().unwrap(), email["type"].as_str().unwrap());
        emails.iter().map(pair).collect::<Vec<_>>()
    };
    let both = ["a@example.org work", "a@example.org home"];
    let made = service.user("ada", json!({"emails": [work, home, work]}));
    assert_eq!(pairs(&made), both, "another type is another value");
    let path = format!("/Users/{}", id(&made));
    let body = json!({"schemas": [USER], "userName": "ada", "emails": [work, shown, home]});
    assert_eq!(pairs(&service.put(&path, &body).with(200).json), both);
    for again in [json!([work]), json!([shown]), json!([home, work])] {
        assert_eq!(pairs(&service.patch(&path, &op("add", "emails", again)).with(200).json), both);
    }
    let same = op("replace", "emails[type eq \"home\"].type", json!("work"));
    assert_eq!(pairs(&service.patch(&path, &same).with(200).json), ["a@example.org work"]);
}

#[test]
fn rfc7643_2_5_absent_null_and_empty_are_the_same() {
    let service = Service::start();
    let nothing = json!({"nickName": null, "title": null, "emails": [], "phoneNumbers": null, "name": null,
        ENTERPRISE: null});
    let null = service.user("null", nothing);
    let absent = service.user("absent", json!({}));
    assert_eq!(super::members(&null), super::members(&absent));
    assert_eq!(null["schemas"], json!([USER]));
    for filter in ["nickName pr", "emails pr", "name pr", "phoneNumbers pr"] {
        assert_eq!(service.names(filter), [""; 0], "{filter}");
    }
    assert_eq!(service.names("nickName eq null"), ["absent", "null"]);
    let full = json!({"nickName": "A", "emails": [{"value": "a@example.org"}], "name": {"givenName": "A"}});
    let path = service.path_of("full", full);
    let body = json!({"schemas": [USER], "userName": "full", "nickName": null, "emails": [], "name": null});
    let emptied = service.put(&path, &body).with(200);
    assert_eq!(super::members(&emptied.json), super::members(&absent));
}

#[test]
fn rfc7643_2_3_1_canonical_values_are_told_and_others_are_taken() {
    let service = Service::start();
    let schema = service.get(&format!("/Schemas/{USER}")).with(200);
    let emails = schema.json["attributes"].as_array().unwrap().iter().find(|one| one["name"] == "emails").unwrap();
    let kind = emails["subAttributes"].as_array().unwrap().iter().find(|one| one["name"] == "type").unwrap();
    assert_eq!(sorted(&kind["canonicalValues"]), ["home", "other", "work"]);
    let made = service.user("ada", json!({"emails": [{"value": "a@example.org", "type": "Office 7"}]}));
    assert_eq!(made["emails"][0]["type"], "Office 7");
}
