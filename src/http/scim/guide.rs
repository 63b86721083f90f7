//! What an administrator types where, once there is a token: told by `musterd token create` and the API.

use crate::directory::token::Profile;

/// The fields of the provider's own form, each with what belongs there. The token stands for itself.
#[must_use]
pub fn fields(profile: Profile, base: &str) -> Vec<(&'static str, String)> {
    let text = str::to_owned;
    match profile {
        Profile::Okta => vec![
            ("where", text("Applications > your app > Provisioning > Integration")),
            ("SCIM connector base URL", text(base)),
            ("Unique identifier field for users", text("userName")),
            ("Supported provisioning actions", text("all but Import Groups, where Okta is the master of groups")),
            ("Authentication Mode", text("HTTP Header")),
            ("Authorization (Bearer)", text("the token")),
            ("then", text("To App: enable Create Users, Update User Attributes, Deactivate Users")),
        ],
        Profile::Entra => vec![
            ("where", text("Enterprise applications > your app > Provisioning > Automatic")),
            ("Tenant URL", format!("{base}?aadOptscim062020")),
            ("Secret Token", text("the token")),
            ("then", text("Test Connection; map objectId to externalId (matching precedence stays userName)")),
        ],
        Profile::Default | Profile::Strict => vec![
            ("where", text("the provider's settings for SCIM 2.0 provisioning")),
            ("base URL", text(base)),
            ("authentication", text("OAuth bearer token (HTTP header Authorization: Bearer)")),
            ("token", text("the token")),
            ("unique identifier", text("userName")),
        ],
    }
}
