//! RFC 7643 §4 to §7: users, groups, the enterprise extension, resource types, and what a schema says of attributes.

use std::path::Path;

use serde_json::{Value, json};

use super::{ENTERPRISE, GROUP, GYM, LOCKER, PASSWORD, SEARCH, SERVICE, Service, USER, id, local, locker, members, op};

#[test]
fn rfc7643_4_1_a_user_name_is_required_and_unique_without_case() {
    let service = Service::start();
    let path = service.path_of("ada", json!({}));
    service.user("bob", json!({}));
    for name in [json!(null), json!(""), json!("  "), json!([])] {
        let body = json!({"schemas": [USER], "userName": name});
        service.post("/Users", &body).refused(400, "invalidValue");
        service.put(&path, &body).refused(400, "invalidValue");
    }
    service.post("/Users", &json!({"schemas": [USER]})).refused(400, "invalidValue");
    let twin = json!({"schemas": [USER], "userName": "BOB"});
    service.post("/Users", &twin).refused(409, "uniqueness");
    service.put(&path, &twin).refused(409, "uniqueness");
    service.patch(&path, &op("replace", "userName", json!("Bob"))).refused(409, "uniqueness");
    assert_eq!(service.names("userName eq \"ADA\""), ["ada"]);
    assert_eq!(service.names("userName sw \"A\""), ["ada"]);
    // The same user may change the case.
    assert_eq!(service.patch(&path, &op("replace", "userName", json!("Ada"))).with(200).json["userName"], "Ada");
}

/// Is this text in a file of the folder?
fn is_written(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return is_written(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[test]
fn rfc7643_4_1_a_password_is_in_no_answer_and_in_no_file() {
    let service = Service::start();
    let second = "another fine password of ada";
    let body = json!({"schemas": [USER], "userName": "ada", "password": PASSWORD});
    let made = service.post("/Users?attributes=password", &body).with(201);
    let path = format!("/Users/{}", made.text("/id"));
    let replace = op("replace", "password", json!(second));
    let search = json!({"schemas": [SEARCH], "attributes": ["password", "userName"]});
    let answers = [
        made,
        service.put(&path, &body).with(200),
        service.patch(&path, &replace).with(200),
        service.patch(&format!("{path}?attributes=password"), &replace).with(200),
        service.get(&path).with(200),
        service.get(&format!("{path}?attributes=password,userName")).with(200),
        service.get("/Users").with(200),
        service.post("/Users/.search", &search).with(200),
    ];
    for said in answers {
        let text = said.json.to_string().to_lowercase();
        assert!(!text.contains("password\":") && !text.contains(PASSWORD) && !text.contains(second), "{said:?}");
    }
    // A weak one is refused without being said again.
    let weak = service.patch(&path, &op("replace", "password", json!("hunter2")));
    assert!(weak.status == 400 && !weak.json.to_string().contains("hunter2"), "{weak:?}");
    let (status, _) = (service.daemon.login("ada", second).status, service.daemon.login("ada", PASSWORD));
    assert_eq!(status, 200, "it is the password all the same");
    let audit = service.daemon.admin().get("/api/v1/audit").json.to_string();
    for secret in [PASSWORD, second] {
        assert!(!audit.contains(secret));
        assert!(!is_written(service.daemon.folder(), secret), "hashed (RFC 7643 §9.2)");
    }
}

#[test]
fn rfc7643_4_1_2_groups_of_a_user_change_through_groups_alone() {
    let service = Service::start();
    let group = service.group("staff", &[]);
    let forged = json!([{"value": group, "type": "direct"}]);
    let made = service.user("ada", json!({"groups": forged}));
    assert_eq!(made.get("groups"), None, "ignored on a create");
    let path = format!("/Users/{}", id(&made));
    let body = json!({"schemas": [USER], "userName": "ada", "groups": forged});
    assert_eq!(service.put(&path, &body).with(200).json.get("groups"), None, "ignored on a replace");
    for operation in ["add", "replace"] {
        service.patch(&path, &op(operation, "groups", forged.clone())).refused(400, "mutability");
    }
    assert_eq!(service.get(&format!("/Groups/{group}")).with(200).json.get("members"), None);
    let (inner, outer) = (service.group("inner", &[&id(&made)]), service.group("outer", &[]));
    service.patch(&format!("/Groups/{outer}"), &op("add", "members", json!([{"value": inner}]))).with(200);
    let user = service.get(&path).with(200);
    let mut groups = user.json["groups"].as_array().unwrap().clone();
    groups.sort_by_key(|group| group["display"].to_string());
    let both = [(&inner, "inner", "direct"), (&outer, "outer", "indirect")];
    assert_eq!(groups.len(), both.len());
    for (shown, (id, name, kind)) in groups.iter().zip(both) {
        assert_eq!((&shown["value"], &shown["display"], &shown["type"]), (&json!(id), &json!(name), &json!(kind)));
        assert_eq!(local(&shown["$ref"]), format!("/Groups/{id}"));
    }
    // A replace by what was read keeps them.
    assert_eq!(service.put(&path, &user.json).with(200).json["groups"].as_array().unwrap().len(), 2);
}

#[test]
fn rfc7643_4_1_2_a_country_is_kept_as_it_was_sent() {
    let service = Service::start();
    for (number, country) in ["DE", "de", "United Kingdom"].into_iter().enumerate() {
        let address = json!([{"country": country, "type": "work"}]);
        assert_eq!(service.user(&format!("u{number}"), json!({"addresses": address}))["addresses"], address);
    }
}

#[test]
fn rfc7643_4_1_2_a_certificate_is_one_base64_value() {
    let service = Service::start();
    let (one, two) = (json!({"value": "MIIBszCCAVmgAwIBAgIU"}), json!({"value": "MIIBszCCAVmgAwIBAgIV", "type": "x"}));
    let made = service.user("ada", json!({"x509Certificates": [one, two]}));
    assert_eq!(made["x509Certificates"], json!([one, two]));
    let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
    for wrong in [json!([{"value": pem}]), json!([{"value": ["MIIB", "MIIC"]}]), json!([{"value": "MIIB,MIIC"}])] {
        let body = json!({"schemas": [USER], "userName": "bob", "x509Certificates": wrong});
        service.post("/Users", &body).refused(400, "invalidValue");
    }
}

#[test]
fn rfc7643_4_1_2_an_address_compares_in_any_case_and_comes_back_as_it_was_sent() {
    let service = Service::start();
    let made = service.user("ada", json!({"emails": [{"value": "Ada.L@EXAMPLE.org", "type": "work"}]}));
    assert_eq!(made["emails"][0]["value"], "Ada.L@EXAMPLE.org");
    assert_eq!(service.names("emails.value eq \"Ada.L@example.ORG\""), ["ada"]);
    assert_eq!(service.names("emails[type eq \"work\" and value ew \"@example.org\"]"), ["ada"]);
}

#[test]
fn rfc7643_4_1_2_a_phone_number_is_taken_as_a_tel_uri_and_kept() {
    let service = Service::start();
    let numbers = json!([{"value": "tel:+1-201-555-0123", "type": "work"}, {"value": "tel:7042;phone-context=example.org"},
        {"value": "+31 6 1234 5678", "type": "mobile"}]);
    assert_eq!(service.user("ada", json!({"phoneNumbers": numbers}))["phoneNumbers"], numbers);
    assert_eq!(service.names("phoneNumbers.value eq \"tel:+1-201-555-0123\""), ["ada"]);
}

#[test]
fn rfc7643_4_2_a_group_has_a_name_and_members_that_are_added_and_removed_whole() {
    let service = Service::start();
    for name in [json!(null), json!(""), json!(" ")] {
        service.post("/Groups", &json!({"schemas": [GROUP], "displayName": name})).refused(400, "invalidValue");
    }
    service.post("/Groups", &json!({"schemas": [GROUP]})).refused(400, "invalidValue");
    let (ada, bob) = (id(&service.user("ada", json!({}))), id(&service.user("bob", json!({}))));
    let inner = service.group("inner", &[]);
    let path = format!("/Groups/{}", service.group("outer", &[&ada]));
    let added = json!([{"value": inner, "type": "Group"}]);
    let shown = service.patch(&path, &op("add", "members", added)).with(200).json["members"].clone();
    let kinds: Vec<_> =
        shown.as_array().unwrap().iter().map(|one| (one["value"].clone(), one["type"].clone())).collect();
    let expected = [(json!(ada), json!("User")), (json!(inner), json!("Group"))];
    assert_eq!(kinds.len(), 2);
    assert!(expected.iter().all(|one| kinds.contains(one)), "{kinds:?}");
    let part = format!("members[value eq \"{ada}\"].value");
    service.patch(&path, &op("replace", &part, json!(bob))).refused(400, "mutability");
    let removed = service.patch(&path, &json!([{"op": "remove", "path": format!("members[value eq \"{ada}\"]")}]));
    assert_eq!(removed.with(200).json["members"].as_array().unwrap().len(), 1);
    let schema = service.get(&format!("/Schemas/{GROUP}")).with(200);
    let list = schema.json["attributes"].as_array().unwrap().iter().find(|one| one["name"] == "members").unwrap();
    for part in list["subAttributes"].as_array().unwrap() {
        assert_eq!(part["mutability"], "immutable", "{part}");
    }
}

#[test]
fn rfc7643_4_3_the_enterprise_extension_and_its_manager() {
    let service = Service::start();
    let manager = service.user("boss", json!({"displayName": "The Boss"}));
    let sent = json!({"employeeNumber": "701984", "costCenter": "4130", "organization": "Universal Studios",
        "division": "Theme Park", "department": "Tour Operations",
        "manager": {"value": id(&manager), "$ref": format!("../Users/{}", id(&manager)), "displayName": "Forged"}});
    let made = service.user("ada", json!({ENTERPRISE: sent}));
    for name in ["employeeNumber", "costCenter", "organization", "division", "department"] {
        assert_eq!(made[ENTERPRISE][name], sent[name], "{name}");
    }
    assert_eq!(made[ENTERPRISE]["manager"]["value"], sent["manager"]["value"]);
    assert_ne!(made[ENTERPRISE]["manager"]["displayName"], "Forged", "readOnly: ignored");
    let path = format!("/Users/{}", id(&made));
    let name = format!("{ENTERPRISE}:manager.displayName");
    service.patch(&path, &op("replace", &name, json!("Forged"))).refused(400, "mutability");
    let schema = service.get(&format!("/Schemas/{ENTERPRISE}")).with(200);
    let attributes = schema.json["attributes"].as_array().unwrap();
    let names: Vec<_> = attributes.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["employeeNumber", "costCenter", "organization", "division", "department", "manager"]);
    let parts = attributes.last().unwrap()["subAttributes"].as_array().unwrap();
    let found: Vec<_> = parts.iter().map(|one| (&one["name"], &one["mutability"])).collect();
    let (value, reference, name) = (json!("value"), json!("$ref"), json!("displayName"));
    let (write, read) = (json!("readWrite"), json!("readOnly"));
    assert_eq!(found, [(&value, &write), (&reference, &write), (&name, &read)]);
}

#[test]
fn rfc7643_5_the_configuration_tells_all_that_it_must() {
    let service = Service::start();
    let config = service.get("/ServiceProviderConfig").with(200).json.clone();
    let urn = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
    assert_eq!(config["schemas"], json!([urn]));
    for name in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
        assert_eq!(config[name]["supported"], json!(true), "{name}");
    }
    for (name, limit) in [("bulk", "maxOperations"), ("bulk", "maxPayloadSize"), ("filter", "maxResults")] {
        assert!(config[name][limit].as_u64().is_some_and(|limit| limit > 0), "{name}.{limit}");
    }
    let schemes = config["authenticationSchemes"].as_array().unwrap();
    assert!(!schemes.is_empty());
    for scheme in schemes {
        let known = ["oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest"];
        assert!(known.contains(&scheme["type"].as_str().unwrap()), "{scheme}");
        for text in ["name", "description"] {
            assert!(scheme[text].as_str().is_some_and(|text| !text.is_empty()), "{scheme}");
        }
    }
    assert_eq!(config["meta"]["resourceType"], "ServiceProviderConfig");
    assert_eq!(local(&config["meta"]["location"]), "/ServiceProviderConfig");
}

#[test]
fn rfc7643_5_the_configuration_is_read_without_authentication() {
    let service = Service::start();
    let open = service.with_token(None).get("/ServiceProviderConfig").with(200);
    assert_eq!(open.json, service.get("/ServiceProviderConfig").json);
}

#[test]
fn rfc7643_6_a_resource_type_names_schemas_that_are_served() {
    let service = Service::start();
    let types = service.get("/ResourceTypes").with(200).listed();
    let found: Vec<_> = types.iter().map(|one| (one["name"].as_str().unwrap(), local_endpoint(one))).collect();
    assert_eq!(found, [("User", "/Users"), ("Group", "/Groups"), ("Locker", "/Lockers")]);
    for one in &types {
        assert_eq!(one["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:ResourceType"]));
        let extensions = one["schemaExtensions"].as_array().cloned().unwrap_or_default();
        let mut urns = vec![one["schema"].as_str().unwrap()];
        for extension in &extensions {
            urns.push(extension["schema"].as_str().unwrap());
            assert_eq!(extension["required"], json!(extension["schema"] == SERVICE), "{extension}");
        }
        for urn in urns {
            assert_eq!(service.get(&format!("/Schemas/{urn}")).with(200).json["id"], urn);
        }
        assert_eq!(service.get(local(&one["meta"]["location"])).with(200).json, *one);
        service.get(local_endpoint(one)).with(200);
    }
}

fn local_endpoint(resource_type: &Value) -> &str {
    resource_type["endpoint"].as_str().unwrap()
}

#[test]
fn rfc7643_6_a_required_extension_must_be_there_with_what_it_requires() {
    let service = Service::start();
    let without = json!({"schemas": [LOCKER], "serial": "L1"});
    let empty = json!({"schemas": [LOCKER, SERVICE], "serial": "L1", SERVICE: {}});
    let half = json!({"schemas": [LOCKER, SERVICE], "serial": "L1", SERVICE: {"notes": "clean"}});
    let path = format!("/Lockers/{}", service.locker("L0"));
    for body in [&without, &empty, &half] {
        service.post("/Lockers", body).refused(400, "invalidValue");
        service.put(&path, body).refused(400, "invalidValue");
    }
    for gone in [SERVICE.to_owned(), format!("{SERVICE}:inspectedAt")] {
        let said = service.patch(&path, &json!([{"op": "remove", "path": gone}]));
        said.refused(400, "mutability");
    }
    assert_eq!(service.get("/Lockers").with(200).listed().len(), 1);
    assert_eq!(service.get(&path).with(200).json[SERVICE], locker("")[SERVICE]);
}

#[test]
fn rfc7643_7_a_schema_describes_each_attribute_whole() {
    fn check(attributes: &Value) {
        for one in attributes.as_array().unwrap() {
            assert!(["name", "description"].iter().all(|text| one[*text].is_string()), "{one}");
            assert!(["multiValued", "required", "caseExact"].iter().all(|flag| one[*flag].is_boolean()), "{one}");
            let words: [(&str, &[&str]); 4] = [
                ("type", &["string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"]),
                ("mutability", &["readOnly", "readWrite", "immutable", "writeOnly"]),
                ("returned", &["always", "never", "default", "request"]),
                ("uniqueness", &["none", "server", "global"]),
            ];
            for (name, known) in words {
                assert!(one[name].as_str().is_some_and(|word| known.contains(&word)), "{name} of {one}");
            }
            let is = |kind: &str| one["type"] == kind;
            let filled = |list: &str| one[list].as_array().is_some_and(|list| !list.is_empty());
            assert_eq!(one.get("referenceTypes").is_some(), is("reference"), "{one}");
            assert_eq!(filled("subAttributes"), is("complex"), "{one}");
            assert!(one.get("canonicalValues").is_none_or(Value::is_array), "{one}");
            if is("complex") {
                check(&one["subAttributes"]);
            }
        }
    }
    let service = Service::start();
    let schemas = service.get("/Schemas").with(200).listed();
    let ids: Vec<_> = schemas.iter().map(|schema| schema["id"].as_str().unwrap()).collect();
    for urn in [USER, GROUP, ENTERPRISE, GYM, LOCKER, SERVICE] {
        assert!(ids.contains(&urn), "{urn}");
    }
    for schema in &schemas {
        assert!(["id", "name", "description"].iter().all(|text| schema[*text].is_string()), "{schema}");
        check(&schema["attributes"]);
    }
}

#[test]
fn rfc7643_7_case_exact_decides_how_a_text_compares_and_the_case_is_kept() {
    let service = Service::start();
    let made = service.user("ada", json!({GYM: {"badge": "AbC", "nick": "AbC"}}));
    assert_eq!((&made[GYM]["badge"], &made[GYM]["nick"]), (&json!("AbC"), &json!("AbC")));
    for (filter, found) in [
        ("badge eq \"AbC\"", true),
        ("badge eq \"abc\"", false),
        ("badge sw \"ab\"", false),
        ("badge co \"bC\"", true),
        ("nick eq \"ABC\"", true),
        ("nick ew \"C\"", true),
        ("nick sw \"aB\"", true),
    ] {
        let filter = format!("{GYM}:{filter}");
        assert_eq!(service.names(&filter).len(), usize::from(found), "{filter}");
    }
}

#[test]
fn rfc7643_7_mutability_is_kept_by_every_kind_of_write() {
    let service = Service::start();
    let gym = |members: Value| json!({"schemas": [USER, GYM], "userName": "ada", GYM: members});
    let sent = json!({"level": "gold", "pin": "0407", "age": 36});
    let made = service.post("/Users", &gym(sent)).with(201);
    assert_eq!(made.json[GYM], json!({"age": 36}), "readOnly is ignored, writeOnly is not returned");
    let path = format!("/Users/{}", made.text("/id"));
    let at = |name: &str| format!("{GYM}:{name}");
    service.patch(&path, &op("add", &at("level"), json!("gold"))).refused(400, "mutability");
    assert_eq!(service.put(&path, &gym(json!({"level": "gold", "age": 37}))).with(200).json[GYM], json!({"age": 37}));
    // Immutable: a first value at any time, no second.
    assert_eq!(service.patch(&path, &op("add", &at("badge"), json!("B7"))).with(200).json[GYM]["badge"], "B7");
    service.patch(&path, &op("replace", &at("badge"), json!("B7"))).with(200);
    for operation in ["add", "replace"] {
        service.patch(&path, &op(operation, &at("badge"), json!("B8"))).refused(400, "mutability");
    }
    service.patch(&path, &json!([{"op": "remove", "path": at("badge")}])).refused(400, "mutability");
    service.put(&path, &gym(json!({"badge": "B8"}))).refused(400, "mutability");
    assert_eq!(service.put(&path, &gym(json!({"badge": "B7"}))).with(200).json[GYM], json!({"badge": "B7"}));
    // Write only.
    let patched = service.patch(&format!("{path}?attributes={}", at("pin")), &op("replace", &at("pin"), json!("1")));
    assert!(!patched.with(200).json.to_string().contains("pin"));
}

#[test]
fn rfc7643_7_returned_decides_what_an_answer_holds() {
    let service = Service::start();
    let gym = json!({"card": "blue", "hint": "the dog", "pin": "0407", "age": 36});
    let path = service.path_of("ada", json!({GYM: gym, "title": "Dr"}));
    let shown = |query: &str| service.get(&format!("{path}{query}")).with(200).json.clone();
    assert_eq!(shown("")[GYM], json!({"card": "blue", "age": 36}), "request and never are not there");
    let named = shown("?attributes=title");
    assert_eq!(named[GYM], json!({"card": "blue"}), "always is there");
    assert_eq!(members(&named), ["id", "schemas", "title", GYM]);
    assert_eq!(shown(&format!("?excludedAttributes={GYM}:card,{GYM}:age"))[GYM], json!({"card": "blue"}));
    assert_eq!(shown(&format!("?excludedAttributes={GYM}"))[GYM], json!({"card": "blue"}));
    let asked = shown(&format!("?attributes={GYM}:hint,{GYM}:pin"));
    assert_eq!(asked[GYM], json!({"card": "blue", "hint": "the dog"}), "never is not there though asked for");
    assert_eq!(asked.get("title"), None);
    let list = service.get("/Users?attributes=userName").with(200).listed();
    assert_eq!(list[0][GYM], json!({"card": "blue"}));
}

#[test]
fn rfc7643_7_a_unique_value_is_held_once() {
    let service = Service::start();
    service.user("ada", json!({}));
    let bob = service.path_of("bob", json!({}));
    let twin = json!({"schemas": [USER], "userName": "ada"});
    service.post("/Users", &twin).refused(409, "uniqueness");
    service.put(&bob, &twin).refused(409, "uniqueness");
    service.patch(&bob, &op("replace", "userName", json!("ada"))).refused(409, "uniqueness");
    service.locker("L1");
    let second = format!("/Lockers/{}", service.locker("L2"));
    service.post("/Lockers", &locker("L1")).refused(409, "uniqueness");
    service.put(&second, &locker("L1")).refused(409, "uniqueness");
    service.patch(&second, &op("replace", "serial", json!("L1"))).refused(409, "uniqueness");
    // It compares as its schema says: with case.
    service.locker("l1");
}
