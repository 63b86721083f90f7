//! Passwords of users who move here from another system: their hashes are taken as that system wrote them.

use serde_json::json;

use crate::harness::daemon::TestDaemon;

const PASSWORD: &str = "correct horse battery";
/// [`PASSWORD`] as each tool itself wrote it.
const HASHES: &[(&str, &str)] = &[
    // Django 5.2, whose forms JumpServer keeps in its table of users.
    ("pbkdf2_sha256", "pbkdf2_sha256$1000$seasalt4Django1234$tvYhOF17Z+k+LRzK8JlLwQDU2jFRB4kUtqeybV6A3rM="),
    ("pbkdf2_sha1", "pbkdf2_sha1$1000$seasalt4Django1234$d88i7rokDlmeoZASy1F6fDqxCgs="),
    (
        "argon2",
        "argon2$argon2id$v=19$m=1024,t=1,p=1$c2Vhc2FsdDREamFuZ28xMjM0$zjtOS3Wp/RNXtBHH4/T3vFmTQacA6Eh5XC5hWHwswLE",
    ),
    ("bcrypt_sha256", "bcrypt_sha256$$2b$04$h/0kOv05L97p53HO8FbTcexC/yMyUsjO.DW8ZYpBen/xVPPEPLfhy"),
    ("bcrypt", "bcrypt$$2b$04$uAig8EkwB76eWfxf5/bV1ut4l/eEX34sXD2ybVfRmjUYxr9u1DdTi"),
    // crypt(3) of libxcrypt 4.4.
    ("crypt", "{CRYPT}$2b$04$JseLVzzCPoVeUKlv3YKRyOUTeq7Uc0n04OqchKYaF5AkdMR.a3MLm"),
    // passlib 1.7.
    ("passlib", "$pbkdf2-sha256$1000$5hzDGCMkZOy9NybEeG8NoQ$4SAvsAz75zXYD5h0gWLBUYXj.WpDxY6ATGPHvLdTgfE"),
    (
        "passlib512",
        "$pbkdf2-sha512$1000$GoMwppRyjjFGKAUAIMS4Vw$GqWjIgv.rWJbesD7bhY1JO92.OcLcy6Q2yyiDk1y0H/GJ7vscaUF5Hh6ECMVqDFdPuGGoZ32y13jYwial5pkjA",
    ),
    ("ldap_pbkdf2", "{PBKDF2-SHA256}1000$XcuZE2LMGeP8H.McA6AUIg$7HOhqalg9luzrDXDMAatq5OL/O8PbhpFSxTMMARVVBI"),
    ("ssha256", "{SSHA256}gOJzoLWx5gC1QqFesyBpsO7dYycoup3zVr3ZMK2GAENMqTWGEEKIEQ=="),
    (
        "ssha512",
        "{SSHA512}RZ+6nRpvqo8U9JqdNaU2x9Nnpo+haH5DW47plMSfCfIIJ56dZ1AnG14gvULq1iB92MqJS+9qHvGQXjpyX4yKZWwtRei9Vyol",
    ),
    // slappasswd of OpenLDAP 2.5.
    ("slappasswd", "{SSHA}+IbnJMlYq2Ufm0VHLfYwvj0VzbMOHh16"),
];

#[test]
fn a_hash_of_every_other_system_lets_its_owner_in_and_nobody_else() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    for (name, hash) in HASHES {
        let wish =
            json!({"username": name, "name": name, "email": format!("{name}@example.org"), "password_hash": hash});
        assert_eq!(admin.post("/api/v1/users", &wish).status, 201, "{name}");
        assert_eq!(daemon.login(name, "correct horse batterz").code(), "invalid_credentials", "{name}");
        assert_eq!(daemon.login(name, PASSWORD).status, 200, "{name}");
    }
}

#[test]
fn django_forgets_no_character_of_a_long_password() {
    let daemon = TestDaemon::start("");
    let hash = "bcrypt_sha256$$2b$04$PelpAG11rXs08yu4uqok8Ow.mBDoyAN5zx8iCsQ/he..jKytM0y8m";
    let wish = json!({"username": "ada", "name": "Ada", "email": "ada@example.org", "password_hash": hash});
    assert_eq!(daemon.admin().post("/api/v1/users", &wish).status, 201);
    assert_eq!(daemon.login("ada", &"x".repeat(99)).code(), "invalid_credentials");
    assert_eq!(daemon.login("ada", &"x".repeat(100)).status, 200);
}
