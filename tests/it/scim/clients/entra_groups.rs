//! Microsoft Entra ID, groups: Microsoft's own URN among the schemas, reads without members, members with `$ref: null`.

use serde_json::{Value, json};

use super::{Client, GROUP, ids, sorted};

const MICROSOFT: &str = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";

fn team(name: &str) -> Value {
    json!({
        "schemas": [GROUP, MICROSOFT], "externalId": format!("ext-{name}"), "displayName": name, "members": [],
        "meta": {"resourceType": "Group"},
    })
}

fn reference(id: &str) -> Value {
    json!({"$ref": null, "value": id})
}

#[test]
fn a_group_is_made_although_a_foreign_schema_is_named() {
    let entra = Client::start();
    let id = entra.make("/Groups", &team("Engines"));
    let read = entra.get(&format!("/Groups/{id}")).with(200);
    read.shows(&json!({"schemas": [GROUP], "displayName": "Engines", "externalId": "ext-Engines", "id": id}));
    assert_eq!(read.text("/meta/resourceType"), "Group");
}

#[test]
fn groups_are_found_by_name_and_shown_without_members() {
    let entra = Client::start();
    let (ada, id) = (entra.make_user("ada"), entra.make("/Groups", &team("Engines")));
    let path = format!("/Groups/{id}");
    entra.patch(&path, &json!([{"op": "Add", "path": "members", "value": [reference(&ada)]}])).done();
    let lean = entra.get(&format!("{path}?excludedAttributes=members")).with(200);
    assert_eq!((lean.json.get("members"), &lean.json["displayName"]), (None, &json!("Engines")));
    for filter in ["displayName eq \"Engines\"", "displayName eq \"ENGINES\"", "externalId eq \"ext-Engines\""] {
        let found = entra.find("/Groups?excludedAttributes=members", filter);
        assert_eq!(ids(&found), [id.as_str()], "{filter}");
        assert_eq!(found[0].get("members"), None);
    }
    assert_eq!(entra.find("/Groups?excludedAttributes=members", "displayName eq \"Nobody\""), Vec::<Value>::new());
    for filter in [format!("id eq \"{id}\" and members eq \"{ada}\""), format!("members[value eq \"{ada}\"]")] {
        assert_eq!(ids(&entra.find("/Groups?attributes=id", &filter)), [id.as_str()], "{filter}");
    }
    assert_eq!(entra.find("/Groups", &format!("id eq \"{id}\" and members eq \"{id}\"")), Vec::<Value>::new());
}

#[test]
fn members_come_and_go_one_by_one_and_only_those_named_leave() {
    let entra = Client::start();
    let people = [entra.make_user("ada"), entra.make_user("bob"), entra.make_user("eve")];
    let [ada, bob, eve] = &people;
    let id = entra.make("/Groups", &team("Engines"));
    let path = format!("/Groups/{id}");
    let edit = |op: &str, who: &[&String]| {
        let value: Vec<Value> = who.iter().map(|id| reference(id)).collect();
        entra.patch(&path, &json!([{"op": op, "path": "members", "value": value}])).done();
        entra.members(&id)
    };
    assert_eq!(edit("Add", &[ada]), [ada.as_str()]);
    assert_eq!(edit("Add", &[ada, bob, eve]).iter().collect::<Vec<_>>(), sorted(vec![ada, bob, eve]));
    // Bob leaves, and so does somebody who never was there: the others stay.
    assert_eq!(edit("Remove", &[bob, &id]).iter().collect::<Vec<_>>(), sorted(vec![ada, eve]));
    assert_eq!(edit("Remove", &[bob]).iter().collect::<Vec<_>>(), sorted(vec![ada, eve]));
    entra.patch(&path, &json!([{"op": "Remove", "path": format!("members[value eq \"{ada}\"]")}])).done();
    assert_eq!(entra.members(&id), [eve.as_str()]);
    let in_groups = entra.get(&format!("/Users/{eve}")).with(200);
    assert_eq!(in_groups.json["groups"][0]["value"], json!(id));
    entra.delete(&format!("/Users/{eve}")).with(204);
    assert_eq!(entra.members(&id), Vec::<String>::new());
}

#[test]
fn a_group_is_renamed_and_deleted() {
    let entra = Client::start();
    let id = entra.make("/Groups", &team("Engines"));
    let path = format!("/Groups/{id}");
    entra.patch(&path, &json!([{"op": "Replace", "path": "displayName", "value": "Analysts"}])).done();
    entra.get(&path).with(200).shows(&json!({"displayName": "Analysts"}));
    entra.patch(&path, &json!([{"op": "Remove", "path": "displayName"}])).refused(400, "mutability");
    entra.delete(&path).with(204);
    entra.get(&path).with(404);
    assert_eq!(entra.find("/Groups", "displayName eq \"Analysts\""), Vec::<Value>::new());
}
