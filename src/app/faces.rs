//! The way from the outbox to the provider of faces: it is told whom to forget.

use std::sync::Arc;

use crate::auth::factors::face::Face;
use crate::directory::message::{Body, Message};
use crate::notify::channel::{Answer, Channel, DeliveryError};

/// Has the provider forget whose factor was removed.
pub(super) struct Forgetting(pub(super) Arc<Face>);

impl Channel for Forgetting {
    fn deliver<'a>(&'a self, message: &'a Message) -> Answer<'a, Result<(), DeliveryError>> {
        Box::pin(async {
            match &message.body {
                Body::ForgetFace { subject } => self.0.forget(subject).await.map_err(DeliveryError::passing),
                _ => Err(DeliveryError::lasting("it is not for the provider of faces")),
            }
        })
    }
}
