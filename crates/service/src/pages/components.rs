//! What pages are made of: each component is a function, or a small builder, that gives markup. Their look is in
//! `assets/style.css`, and what they do with a script in `assets/app.js`.
//!
//! No markup has a style or a script in itself: the policy of [`super::frame`] forbids both.

mod blocks;
mod code;
mod fields;
mod table;
mod words;

pub(super) use blocks::{
    Tab, breadcrumb, card, cards, definition_list, dialog_page, empty_state, notice, stat, tabs,
};
pub(super) use code::code_block;
pub(super) use fields::{Field, Kind, button, form, link_button, mistakes, select, textarea};
pub(super) use table::{Column, Sorted, pagination, table};
pub(super) use words::{
    Tone, ago, badge, count, day, money, sparkline, standing_badge, tags, time,
};
