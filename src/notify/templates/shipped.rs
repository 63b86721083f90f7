//! The templates that are part of the program: for each kind of mail and each language a text and a page.

use crate::directory::language::Language;

/// A template: its language, its name, and what it says.
pub(super) type Shipped = (Language, &'static str, &'static str);

macro_rules! shipped {
    ($($kind:literal)*) => {
        /// The kinds of messages that go by mail.
        pub(super) const KINDS: &[&str] = &[$($kind),*];

        /// All templates.
        pub(super) const SHIPPED: &[Shipped] = &[
            (Language::English, "layout.txt", include_str!("en/layout.txt")),
            (Language::English, "layout.html", include_str!("en/layout.html")),
            (Language::English, "method.txt", include_str!("en/method.txt")),
            (Language::SimplifiedChinese, "layout.txt", include_str!("zh-Hans/layout.txt")),
            (Language::SimplifiedChinese, "layout.html", include_str!("zh-Hans/layout.html")),
            (Language::SimplifiedChinese, "method.txt", include_str!("zh-Hans/method.txt")),
            $(
                (Language::English, concat!($kind, ".txt"), include_str!(concat!("en/", $kind, ".txt"))),
                (Language::English, concat!($kind, ".html"), include_str!(concat!("en/", $kind, ".html"))),
                (Language::SimplifiedChinese, concat!($kind, ".txt"), include_str!(concat!("zh-Hans/", $kind, ".txt"))),
                (
                    Language::SimplifiedChinese,
                    concat!($kind, ".html"),
                    include_str!(concat!("zh-Hans/", $kind, ".html")),
                ),
            )*
        ];
    };
}

shipped! {
    "account_expires" "accounts_expire" "address_changed" "alarm" "code" "disabled_for_inactivity" "factor_added"
    "factor_enrolled" "factor_removed" "factors_reset" "import_done" "inactivity_near" "mail_test" "password_changed"
    "password_elsewhere" "password_expires" "recovery_code_used" "reset_password" "run_failed" "run_held"
    "second_factor_refused" "set_password"
}
