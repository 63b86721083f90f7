//! The router on a real port, for testers of other people: see `tests/it/scim/tester.py`.

use super::support::{token, world_with};
use crate::http::routes;

#[tokio::test]
#[ignore = "serves until it is ended"]
async fn serve_for_a_tester() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let world = world_with(|settings, login| {
        settings.public_url = url.clone();
        login.passwords.min_length = 1;
    })
    .await;
    println!("{url}/scim/v2 {}", token(&world.app, "okta").await);
    axum::serve(listener, routes::router(world.app.clone())).await.unwrap();
}
