//! JumpServer's own export of users, in English and in Chinese: its headings, and the forms of its cells.
//!
//! Its ids and its roles inside organisations mean nothing here and are passed by, as is what it notes itself. Where
//! a cell has a label and a value, the value counts: `Force enabled(2)`.

use serde::Deserialize;

use super::column::{Column, Kind};
use super::header::Place;
use super::list;
use crate::directory::role;

/// Headings with their columns, without case and without the star of what must be there.
const COLUMNS: &[(&str, Column)] = &[
    ("name", Column::Name),
    ("名称", Column::Name),
    ("username", Column::Username),
    ("用户名", Column::Username),
    ("email", Column::Email),
    ("邮箱", Column::Email),
    ("邮件", Column::Email),
    ("phone", Column::Phone),
    ("手机", Column::Phone),
    ("手机号码", Column::Phone),
    ("password", Column::Password),
    ("密码", Column::Password),
    ("mfa level", Column::Mfa),
    ("mfa_level", Column::Mfa),
    ("mfa", Column::Mfa),
    ("mfa 级别", Column::Mfa),
    ("source", Column::Source),
    ("来源", Column::Source),
    ("comment", Column::Description),
    ("备注", Column::Description),
    ("date expired", Column::ExpiresAt),
    ("date_expired", Column::ExpiresAt),
    ("失效日期", Column::ExpiresAt),
    ("is active", Column::State),
    ("is_active", Column::State),
    ("active", Column::State),
    ("激活", Column::State),
    ("need update password", Column::MustChangePassword),
    ("need_update_password", Column::MustChangePassword),
    ("需要更新密码", Column::MustChangePassword),
    ("groups", Column::Groups),
    ("user group", Column::Groups),
    ("user groups", Column::Groups),
    ("用户组", Column::Groups),
    ("system roles", Column::Roles),
    ("system_roles", Column::Roles),
    ("系统角色", Column::Roles),
];

/// Headings of what is passed by.
const PASSED: &[&str] = &[
    "id",
    "wechat",
    "微信",
    "wecom_id",
    "wecom",
    "企业微信",
    "dingtalk_id",
    "dingtalk",
    "钉钉",
    "feishu_id",
    "feishu",
    "飞书",
    "lark_id",
    "lark",
    "slack_id",
    "slack",
    "created by",
    "created_by",
    "创建者",
    "updated by",
    "updated_by",
    "更新者",
    "date joined",
    "date_joined",
    "加入日期",
    "last login",
    "last_login",
    "最后登录",
    "上次登录",
    "date updated",
    "date_updated",
    "更新日期",
    "date_api_key_last_used",
    "date api key used",
    "api key 最后使用日期",
    "is service account",
    "is_service_account",
    "服务账号",
    "is valid",
    "is_valid",
    "账号是否有效",
    "is expired",
    "is_expired",
    "是否过期",
    "is otp bound",
    "is_otp_secret_key_bound",
    "是否绑定 otp",
    "can public key authentication",
    "can_public_key_auth",
    "是否可以公钥认证",
    "mfa enabled",
    "mfa_enabled",
    "mfa force enabled",
    "mfa_force_enabled",
    "is first login",
    "is_first_login",
    "首次登录",
    "date password last updated",
    "date_password_last_updated",
    "最后更新密码日期",
    "login blocked",
    "login_blocked",
    "登录受阻",
    "password strategy",
    "password_strategy",
    "密码策略",
    "public key",
    "public_key",
    "ssh public key",
    "ssh公钥",
    "org roles",
    "org_roles",
    "组织角色",
    "super administrator",
    "is_superuser",
    "organization administrator",
    "is org admin",
    "is_org_admin",
    "labels",
    "标签",
];

/// Its built-in roles by the last digit of their ids, and what they are here.
const ROLES: &[(&str, &str)] = &[
    ("00000000-0000-0000-0000-000000000001", role::SYSTEM_ADMIN),
    ("00000000-0000-0000-0000-000000000002", role::SYSTEM_AUDITOR),
    ("00000000-0000-0000-0000-000000000003", role::USER),
];

fn plain(title: &str) -> String {
    title.trim().trim_start_matches('*').trim().to_lowercase()
}

/// Are these headings JumpServer's? One with its star says so, or one that only it has.
pub(super) fn wrote(titles: &[&str]) -> bool {
    titles.iter().any(|title| place(title).is_some() && (title.starts_with('*') || Column::parse(title).is_none()))
}

/// What becomes of a column with this heading.
pub(super) fn place(title: &str) -> Option<Place> {
    let title = plain(title);
    let column = COLUMNS.iter().find(|(known, _)| *known == title).map(|(_, column)| Place::Of(*column));
    column.or_else(|| PASSED.contains(&title.as_str()).then_some(Place::Passed))
}

/// A cell of its in our words; what cannot be understood is left as it is, for the column to refuse.
pub(super) fn translated(column: Column, text: String) -> String {
    // Before a digit too it writes an apostrophe, so that no spreadsheet takes zeros away.
    let word = text.strip_prefix('\'').filter(|rest| rest.starts_with('0')).unwrap_or(&text).trim();
    if word == "-" {
        return String::new();
    }
    match (column, column.kind()) {
        (Column::Phone, _) => phone(word).unwrap_or_else(|| word.to_owned()),
        (Column::Source, _) => value(word).to_owned(),
        (_, Kind::Mfa) => policy(value(word)).to_owned(),
        (_, Kind::State) => state(word).to_owned(),
        (_, Kind::List) => names(column, word).unwrap_or_else(|| word.to_owned()),
        _ => word.to_owned(),
    }
}

/// The value of `Label(value)`.
fn value(word: &str) -> &str {
    word.strip_suffix(')').and_then(|rest| rest.rsplit_once('(')).map_or(word, |(_, value)| value)
}

fn policy(level: &str) -> &str {
    match level {
        "0" => "disabled",
        "1" => "enabled",
        "2" => "forced",
        other => other,
    }
}

fn state(word: &str) -> &str {
    match word.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" => "active",
        "no" | "false" | "0" => "disabled",
        _ => word,
    }
}

/// A number as newer versions write it: `{"code": "+86", "phone": 13900000000}`.
fn phone(word: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Number {
        code: String,
        phone: serde_json::Value,
    }
    let Number { code, phone } = serde_json::from_str(word).ok()?;
    let phone = phone.as_str().map_or_else(|| phone.to_string(), str::to_owned);
    Some(format!("{code}{phone}"))
}

/// A list as it writes it: `["Sales(6a6d…)"]`. Its own roles get their names here.
fn names(column: Column, word: &str) -> Option<String> {
    let items: Vec<String> = serde_json::from_str(word).ok()?;
    let name = |item: &String| {
        let id = value(item);
        let own = ROLES.iter().find(|(known, _)| column == Column::Roles && *known == id);
        let is_id = id.len() < item.len() && (id.contains('-') || id.bytes().all(|byte| byte.is_ascii_digit()));
        let name = if is_id { item.get(..item.len() - id.len() - 2).unwrap_or(item) } else { item };
        own.map_or(name, |(_, role)| role).to_owned()
    };
    let names: Vec<String> = items.iter().map(name).collect();
    Some(list::write(names.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_cells_are_understood() {
        let said = |column, text: &str| translated(column, text.to_owned());
        assert_eq!(said(Column::Phone, r#"{"code": "+86", "phone": 13900000000}"#), "+8613900000000");
        assert_eq!(said(Column::Phone, "+31201234567"), "+31201234567");
        assert_eq!(said(Column::Mfa, "Force enabled(2)"), "forced");
        assert_eq!(said(Column::Mfa, "1"), "enabled");
        assert_eq!(said(Column::Source, "Local(local)"), "local");
        assert_eq!(said(Column::State, "No"), "disabled");
        assert_eq!(said(Column::Email, "-"), "");
        assert_eq!(said(Column::Description, "'007"), "007");
        let admin = r#"["System Admin(00000000-0000-0000-0000-000000000001)", "Helpdesk(5f1e0d3c-8a55-4c47-9d5b-0a5a3d1c2b11)"]"#;
        assert_eq!(said(Column::Roles, admin), "system-admin; Helpdesk");
        assert_eq!(said(Column::Groups, r#"["R;D (north)(5f1e0d3c-8a55-4c47-9d5b-0a5a3d1c2b11)"]"#), "R\\;D (north)");
        assert_eq!(said(Column::Groups, "[]"), "");
    }

    #[test]
    fn its_headings_are_told_from_ours() {
        assert!(wrote(&["*Name", "*Username", "*Email"]));
        assert!(wrote(&["ID", "Name", "Username", "MFA level"]));
        assert!(wrote(&["名称", "用户名"]));
        assert!(!wrote(&["id", "username", "name", "last_login"]));
        assert!(!wrote(&["username", "wrong"]));
    }
}
