//! Tokens that are made by tokens, and get new texts.

use super::*;
use crate::base::clock::Clock;
use crate::base::id::{SessionId, SourceId, UserId};
use crate::base::rng::Rng;
use crate::directory::field::{DisplayName, Username};
use crate::directory::permission::{Permission, Permissions};
use crate::directory::token::Grant;
use crate::directory::user::{NewUser, UserChange};
use crate::store::users;

fn author() -> Author {
    Author::system("test")
}

fn hash(number: u8) -> TokenHash {
    TokenHash([number; 32])
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

struct Desk(Store);

impl Desk {
    fn new() -> Self {
        Self(Store::in_memory(Clock::manual(at("2027-01-01T00:00:00Z")), Rng::seeded(7)).unwrap())
    }

    async fn does<T: Send + 'static>(
        &self,
        what: impl Fn(&mut Tx<'_>) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, WriteError> {
        self.0.write(move |tx: &mut Tx<'_>| what(tx)).await
    }

    /// A token whose text has this number for a hash.
    async fn makes(&self, number: u8, made_by: Option<TokenId>) -> TokenId {
        let make = move |tx: &mut Tx<'_>| {
            let (id, grant) = (TokenId::new(tx.now(), tx.rng()), Grant::Scopes(Default::default()));
            let token = ApiToken { made_by, ..ApiToken::new(id, "t".to_owned(), "mst_a".to_owned(), grant, tx.now()) };
            create(tx, &author(), hash(number), &token).map(|()| id)
        };
        self.does(make).await.unwrap()
    }

    fn text(&self, number: u8) -> Option<Text> {
        carried(&self.0, hash(number)).unwrap().map(|(_, text)| text)
    }

    fn token(&self, id: TokenId) -> Option<ApiToken> {
        by_id(&self.0.view(), id).unwrap()
    }

    async fn rotates(&self, id: TokenId, number: u8) {
        let revision = self.token(id).unwrap().revision;
        let rotate = move |tx: &mut Tx<'_>| {
            let text = NewText { hash: hash(number), prefix: "mst_a_new".to_owned() };
            rotate(tx, &author(), (id, revision), text, at("2027-01-02T00:00:00Z"))
        };
        self.does(rotate).await.unwrap();
    }

    fn holds_together(&self) {
        let report = crate::store::verify::verify(&self.0.view()).unwrap();
        assert!(report.differences.is_empty(), "{report:?}");
    }
}

#[tokio::test]
async fn a_revoked_token_takes_what_it_made_along_and_nothing_else() {
    let desk = Desk::new();
    let (parent, other) = (desk.makes(1, None).await, desk.makes(2, None).await);
    let child = desk.makes(3, Some(parent)).await;
    let grandchild = desk.makes(4, Some(child)).await;
    desk.does(move |tx| revoke(tx, &author(), parent)).await.unwrap();
    assert_eq!([parent, child, grandchild].map(|id| desk.token(id)), [None, None, None]);
    assert!(desk.token(other).is_some());
    let made = desk.does(move |tx| {
        let (id, grant) = (TokenId::new(tx.now(), tx.rng()), Grant::Scopes(Default::default()));
        let orphan = ApiToken::new(id, "t".to_owned(), "mst_a".to_owned(), grant, tx.now());
        create(tx, &author(), hash(9), &ApiToken { made_by: Some(parent), ..orphan })
    });
    assert!(matches!(made.await, Err(WriteError::NotFound("token"))), "what is gone makes nothing");
    desk.holds_together();
}

#[tokio::test]
async fn an_earlier_end_holds_for_what_the_token_made() {
    let desk = Desk::new();
    let parent = desk.makes(1, None).await;
    let child = desk.makes(2, Some(parent)).await;
    let end = Some(at("2027-06-01T00:00:00Z"));
    let shorten = move |tx: &mut Tx<'_>| {
        change(tx, &author(), parent, Some(0), |token| ApiToken { expires_at: end, ..token })
            .map(|token| token.revision)
    };
    assert_eq!(desk.does(shorten).await.unwrap(), 1);
    assert_eq!(desk.token(child).unwrap().expires_at, end);
    let again = desk.does(move |tx| change(tx, &author(), parent, Some(0), |token| token).map(drop));
    assert!(matches!(again.await, Err(WriteError::Stale { found: 1 })));
}

#[tokio::test]
async fn at_most_two_texts_lead_to_a_token_and_none_after_it_is_revoked() {
    let desk = Desk::new();
    let id = desk.makes(1, None).await;
    desk.rotates(id, 2).await;
    assert_eq!([1, 2].map(|number| desk.text(number)), [Some(Text::Previous), Some(Text::Current)]);
    desk.rotates(id, 3).await;
    assert_eq!([1, 2, 3].map(|number| desk.text(number)), [None, Some(Text::Previous), Some(Text::Current)]);
    desk.does(move |tx| Ok(touch(tx, hash(2), tx.now())?)).await.unwrap();
    assert!(desk.token(id).unwrap().previous.unwrap().last_used_at.is_some());
    desk.holds_together();
    desk.does(move |tx| revoke(tx, &author(), id)).await.unwrap();
    assert_eq!([1, 2, 3].map(|number| desk.text(number)), [None; 3]);
    desk.holds_together();
}

#[tokio::test]
async fn a_text_that_was_replaced_meanwhile_rotates_nothing() {
    let desk = Desk::new();
    let id = desk.makes(1, None).await;
    desk.rotates(id, 2).await;
    let late = desk.does(move |tx| {
        let text = NewText { hash: hash(3), prefix: "mst_a_new".to_owned() };
        rotate(tx, &author(), (id, 0), text, at("2027-01-02T00:00:00Z")).map(drop)
    });
    assert!(matches!(late.await, Err(WriteError::Stale { .. })));
    assert_eq!(desk.text(3), None);
}

#[tokio::test]
async fn what_a_token_made_stays_within_it_when_either_is_changed() {
    let desk = Desk::new();
    let all: Permissions = [Permission::UsersView, Permission::UsersCreate].into_iter().collect();
    let few: Permissions = [Permission::UsersView].into_iter().collect();
    let grants = |id, scopes| {
        let grant = move |token: ApiToken| ApiToken { grant: Grant::Scopes(scopes), ..token };
        desk.does(move |tx| change(tx, &author(), id, None, grant))
    };
    let parent = desk.makes(1, None).await;
    let child = desk.makes(2, Some(parent)).await;
    let grandchild = desk.makes(3, Some(child)).await;
    for id in [parent, child, grandchild] {
        grants(id, all).await.unwrap();
    }
    let network: Network = "10.0.0.0/8".parse().unwrap();
    let narrow = move |token: ApiToken| ApiToken { grant: Grant::Scopes(few), networks: vec![network], ..token };
    desk.does(move |tx| change(tx, &author(), parent, None, narrow)).await.unwrap();
    for id in [child, grandchild] {
        let token = desk.token(id).unwrap();
        assert_eq!((token.grant, token.networks), (Grant::Scopes(few), vec![network]));
    }
    assert!(matches!(grants(child, all).await, Err(WriteError::Rule(_))));
    let elsewhere = |token: ApiToken| ApiToken { networks: vec!["192.0.2.0/24".parse().unwrap()], ..token };
    let moved = desk.does(move |tx| change(tx, &author(), child, None, elsewhere)).await;
    assert!(matches!(moved, Err(WriteError::Rule(_))));
    let anywhere = |token: ApiToken| ApiToken { networks: Vec::new(), ..token };
    let cleared = desk.does(move |tx| change(tx, &author(), child, None, anywhere)).await;
    assert_eq!(cleared.unwrap().networks, [network]);
}

#[tokio::test]
async fn a_right_holds_while_the_token_is_what_it_was_and_its_user_is_in() {
    let desk = Desk::new();
    let id = desk.makes(1, None).await;
    let holds = |right: Right| desk.does(move |tx| right.holds(tx));
    let right = Right { token: Some((id, 0)), ..Right::default() };
    assert_eq!((holds(right.clone()).await, holds(Right::default()).await), (Ok(true), Ok(true)));
    desk.rotates(id, 2).await;
    assert_eq!(holds(right.clone()).await, Err(WriteError::Stale { found: 1 }));
    desk.does(move |tx| revoke(tx, &author(), id)).await.unwrap();
    assert_eq!(holds(right).await, Ok(false));
    let new = NewUser {
        id: UserId::new(at("2027-01-01T00:00:00Z"), &Rng::seeded(1)),
        username: Username::parse("ada").unwrap(),
        name: DisplayName::parse("ada").unwrap(),
        source: SourceId::local(),
        rest: UserChange::default(),
        disabled: None,
    };
    let ada = desk.does(move |tx| users::create(tx, &author(), new.clone(), None)).await.unwrap();
    let right = |epoch| Right { owner: Some((ada.id, epoch)), ..Right::default() };
    assert_eq!(holds(right(ada.session_epoch)).await, Ok(true));
    assert_eq!(holds(right(ada.session_epoch + 1)).await, Ok(false));
    let session = Some(SessionId::new(at("2027-01-01T00:00:00Z"), &Rng::seeded(1)));
    assert_eq!(holds(Right { session, ..right(ada.session_epoch) }).await, Ok(false), "a session that ended");
}
