//! Tokens that end soon.

use super::super::tokens::EndingTokens;
use super::*;
use crate::base::id::TokenId;
use crate::base::secret::TokenHash;
use crate::directory::audit::Author;
use crate::directory::token::{ApiToken, Grant};
use crate::store::tokens;

async fn make(world: &World, number: u8, ends_in: u64, used: Option<Timestamp>) -> TokenId {
    let make = move |tx: &mut Tx<'_>| {
        let (id, now) = (TokenId::new(tx.now(), tx.rng()), tx.now());
        let token =
            ApiToken::new(id, "portal".to_owned(), "mst_a_1".to_owned(), Grant::Scopes(Default::default()), now);
        let token = ApiToken { expires_at: Some(plus(now, days(ends_in))), last_used_at: used, ..token };
        tokens::create(tx, &Author::system("test"), TokenHash([number; 32]), &token).map(|()| id)
    };
    world.store.write::<_, crate::store::users::WriteError>(make).await.unwrap()
}

#[tokio::test]
async fn a_token_in_use_is_told_of_two_weeks_before_its_end_and_until_it_is_moved() {
    let (world, probe) = (World::new(), EndingTokens::default());
    let now = world.now();
    let id = make(&world, 1, 20, Some(now)).await;
    make(&world, 2, 5, None).await;
    make(&world, 3, 365, Some(now)).await;
    assert!(probe.look(&world.store, now).unwrap().is_empty(), "one has time, nobody uses the other");
    let later = plus(now, days(7));
    let found = probe.look(&world.store, later).unwrap();
    assert_eq!(found.iter().map(Finding::cause).collect::<Vec<_>>(), [format!("token:{id}")]);
    assert!(found[0].detail.contains(&format!("musterd token set {id}")), "{}", found[0].detail);
    world
        .store
        .write::<_, crate::store::users::WriteError>(move |tx: &mut Tx<'_>| {
            tokens::change(tx, &Author::system("test"), id, None, |token| ApiToken { expires_at: None, ..token })
        })
        .await
        .unwrap();
    assert_eq!(probe.look(&world.store, later).unwrap().len(), 1, "all of them are not read each time");
    assert!(probe.look(&world.store, plus(later, Duration::from_secs(600))).unwrap().is_empty());
}
