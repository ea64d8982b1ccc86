//! One file a component.

pub(crate) mod answer_footer;
pub(crate) mod composer;
pub(crate) mod failure_notice;
pub(crate) mod header;
pub(crate) mod icons;
pub(crate) mod idle_choice;
pub(crate) mod message;
pub(crate) mod message_list;
pub(crate) mod model_choice;
pub(crate) mod model_dialog;
pub(crate) mod model_status;
pub(crate) mod notice;
pub(crate) mod storage_list;
pub(crate) mod streamed_text;
pub(crate) mod units;
pub(crate) mod updates;
pub(crate) mod webgpu_help;
pub(crate) mod welcome;
