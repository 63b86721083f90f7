//! What a token opens, until when, and from where.

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn token() -> ApiToken {
    let id = TokenId::new(at(0), &crate::base::rng::Rng::seeded(1));
    ApiToken::new(id, "t".to_owned(), "mst_a_1".to_owned(), Grant::Scopes(Permissions::default()), at(0))
}

#[test]
fn the_text_before_the_last_works_until_its_time_and_no_longer_than_the_token() {
    let rotated = token().rotated(TokenHash([1; 32]), "mst_a_2".to_owned(), at(100), at(10));
    assert!(rotated.opens_by(Text::Previous, at(99)) && !rotated.opens_by(Text::Previous, at(100)));
    assert!(rotated.opens_by(Text::Current, at(100)));
    assert_eq!(rotated.prefix, "mst_a_2");
    let used = rotated.used(Text::Previous, at(50));
    assert_eq!((used.last_use_of(Text::Previous), used.last_use_of(Text::Current)), (Some(at(50)), Some(at(50))));
    let short = ApiToken { expires_at: Some(at(20)), ..token() };
    let short = short.rotated(TokenHash([1; 32]), "mst_a_2".to_owned(), at(100), at(10));
    assert_eq!(short.previous.map(|previous| previous.until), Some(at(20)));
    let at_once = token().rotated(TokenHash([1; 32]), "mst_a_2".to_owned(), at(10), at(10));
    assert_eq!(at_once.previous, None);
}

#[test]
fn what_is_left_of_a_token_lies_within_its_maker_and_where_nothing_is_it_ends() {
    let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Network>>();
    let scopes = |all: &[Permission]| Grant::Scopes(all.iter().copied().collect());
    let (view, create) = (Permission::UsersView, Permission::UsersCreate);
    let maker = ApiToken {
        grant: scopes(&[view]),
        networks: networks(&["10.0.0.0/8", "192.0.2.0/28"]),
        expires_at: Some(at(100)),
        ..token()
    };
    let wide = ApiToken { grant: scopes(&[view, create]), ..token() }.within(&maker, at(10));
    assert_eq!((&wide.grant, &wide.networks, wide.expires_at), (&maker.grant, &maker.networks, Some(at(100))));
    let own = networks(&["10.1.0.0/16", "192.0.2.0/24", "198.51.100.0/24"]);
    let crossing = ApiToken { networks: own, expires_at: Some(at(50)), ..token() }.within(&maker, at(10));
    assert_eq!(crossing.networks, networks(&["10.1.0.0/16", "192.0.2.0/28"]));
    assert!(crossing.expires_at == Some(at(50)) && crossing.lies_within(&maker));
    let elsewhere = ApiToken { networks: networks(&["198.51.100.0/24"]), ..token() }.within(&maker, at(10));
    assert!(!elsewhere.is_live(at(10)), "no network is left, which must not mean everywhere");
    let provider = ApiToken { grant: Grant::Scim(SourceId::parse("okta").unwrap()), ..token() };
    assert!(!provider.clone().within(&maker, at(10)).is_live(at(10)));
    let strong = ApiToken { grant: Grant::Scopes(Permissions::all()), ..token() };
    assert_eq!(provider.clone().within(&strong, at(10)), provider);
}

#[test]
fn a_network_is_told_of_once_an_hour_and_few_of_them() {
    let network = |number: u8| format!("10.0.{number}.0/24").parse::<Network>().unwrap();
    let mut token = token().refused_at(network(0), at(0)).unwrap();
    assert_eq!(token.refused_at(network(0), at(3_599)), None);
    assert_eq!(token.refused_at(network(0), at(3_600)).unwrap().refused.len(), 1);
    for number in 1..8 {
        token = token.refused_at(network(number), at(1)).unwrap();
    }
    assert_eq!(token.refused_at(network(8), at(2)), None);
}

#[test]
fn a_token_for_networks_is_for_nobody_without_an_address() {
    let token = ApiToken { networks: vec!["10.0.0.0/8".parse().unwrap()], ..token() };
    assert!(token.is_for(Some("10.1.2.3".parse().unwrap())) && !token.is_for(Some("192.0.2.1".parse().unwrap())));
    assert!(!token.is_for(None));
}
