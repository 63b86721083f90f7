//! What a request pays to know what its caller may do: roles into permissions, and one permission asked for; on the store
//! on disk.

use std::hint::black_box;
use std::time::Instant;

use jiff::Timestamp;
use musterd::base::clock::Clock;
use musterd::base::id::{OrganizationId, RoleId, SourceId, UserId};
use musterd::base::rng::Rng;
use musterd::directory::audit::Author;
use musterd::directory::field::{Description, DisplayName, Username};
use musterd::directory::permission::{Permission, Permissions};
use musterd::directory::role::{Role, SYSTEM_ADMIN, Scope};
use musterd::directory::user::{NewUser, User, UserChange};
use musterd::store::tx::{Reads, Tx};
use musterd::store::users::WriteError;
use musterd::store::{Settings, Store, grants, roles, users};

use crate::Figure;

const TIMES: u32 = 200_000;
const GOAL_US: f64 = 2.0;

pub(crate) fn figures() -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { folder: folder.path().to_owned(), ..Settings::default() };
    let store = Store::open(&settings, Clock::system(), Rng::system()).unwrap();
    let people = runtime.block_on(make(&store));
    let read = {
        let begun = Instant::now();
        for _ in 0..TIMES {
            black_box(users::get(&store.view(), people[0].1.id).unwrap());
        }
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
    };
    let commits = || store.view().get(b"\x01commit").unwrap();
    let before = commits();
    let figure = |(what, user): &(&str, User)| {
        let begun = Instant::now();
        for _ in 0..TIMES {
            let permissions = |role: &RoleId, scope| roles::permissions_now(&store, role, scope);
            let authority = grants::authority_of(&store.view(), &[], black_box(user), permissions).unwrap();
            assert!(authority.holds_somewhere(black_box(Permission::UsersView)));
        }
        let ours = begun.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES);
        Figure {
            what: format!("permission check, {what}"),
            ours: format!("{ours:.2} us"),
            other: format!("{read:.2} us to read a user"),
            ratio: ours / read,
            goal: format!("< {GOAL_US} us, no write"),
            met: ours < GOAL_US,
        }
    };
    let figures = people.iter().map(figure).collect();
    assert_eq!(commits(), before, "nothing was written");
    figures
}

async fn make(store: &Store) -> Vec<(&'static str, User)> {
    let write = |tx: &mut Tx<'_>| -> Result<Vec<(&'static str, User)>, WriteError> {
        let (author, now) = (Author::system("bench"), tx.now());
        for (id, scope) in [("desk", Scope::System), ("night", Scope::System), ("inside", Scope::Organization)] {
            roles::create(tx, &author, role(id, scope, now))?;
        }
        let mut people = Vec::new();
        let organization = OrganizationId::new(now, tx.rng());
        let named = |names: &[&str]| names.iter().map(|name| RoleId::parse(name).unwrap()).collect();
        for (what, wish) in [
            ("a system admin", UserChange { roles: Some(named(&[SYSTEM_ADMIN])), ..UserChange::default() }),
            ("a custom role", UserChange { roles: Some(named(&["desk"])), ..UserChange::default() }),
            (
                "two custom roles and one inside an organisation",
                UserChange {
                    roles: Some(named(&["desk", "night"])),
                    organizations: Some([(organization, named(&["inside"]))].into()),
                    ..UserChange::default()
                },
            ),
        ] {
            let new = NewUser {
                id: UserId::new(now, tx.rng()),
                username: Username::parse(&format!("u{}", people.len())).unwrap(),
                name: DisplayName::parse("U").unwrap(),
                source: SourceId::local(),
                rest: wish,
                disabled: None,
            };
            people.push((what, users::create(tx, &author, new, None)?));
        }
        Ok(people)
    };
    store.write(write).await.unwrap()
}

fn role(id: &str, scope: Scope, now: Timestamp) -> Role {
    Role {
        id: RoleId::parse(id).unwrap(),
        name: DisplayName::parse(id).unwrap(),
        description: Description::default(),
        scope,
        permissions: Permissions::inside(),
        created_at: now,
        modified_at: now,
        revision: 1,
        removed_at: None,
    }
}
