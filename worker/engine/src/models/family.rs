//! Model families as data: how each differs from Llama. Sources: the families' papers and `llama-model.cpp`.

/// How queries and keys are RMS-normalised, between projection and RoPE unless stated otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadNorm {
    /// Not at all.
    None,
    /// Each head separately, with the same weights for all heads.
    Head,
    /// The same, but after RoPE.
    HeadAfterRope,
    /// All heads together, with a weight per element.
    Row,
}

/// Activation function of a feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `x / (1 + exp(-x))`
    Silu,
    /// `x Φ(x)`, approximated with tanh.
    GeluTanh,
    /// `x Φ(x)`, with the error function.
    GeluErf,
    /// `x / (1 + exp(-1.702 x))`
    QuickGelu,
    /// `z / (1 + exp(-1.702 z))` with `z = min(x, 7)`; what it gates is clamped to ±7, plus one (gpt-oss).
    ClampedSwiglu,
}

/// How the router's scores become the experts' weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scoring {
    /// By the softmax over all experts.
    Softmax,
    /// Each by the logistic function.
    Sigmoid,
}

/// Mixer of layers without attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recurrent {
    /// A gated short convolution.
    ShortConvolution,
    /// A gated delta net.
    DeltaNet,
    /// A state space.
    StateSpace,
}

/// Whether a model has experts; some of its layers may be dense all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Experts {
    /// Never.
    None,
    /// If the file has a number of experts.
    Optional,
    /// Always.
    Always,
}

/// Which layers attend only to a sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Windows {
    /// None, whatever the file says, as in llama.cpp.
    Ignored,
    /// None: with a window, it is a different model.
    Rejected,
    /// All layers but every n-th.
    AllBut(u32),
    /// The same, but none if the file has no window.
    OptionalAllBut(u32),
    /// Those that the file lists.
    Listed,
}

/// How a family of generative models differs from others.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent, and always set by name")]
pub(super) struct Family {
    /// The value of `general.architecture`.
    pub(super) name: &'static str,
    /// RoPE pairs elements half of the rotated part apart; otherwise adjacent ones.
    pub(super) rope_half: bool,
    /// Norms before mixer and feed-forward part.
    pub(super) pre_norm: bool,
    /// Norms after mixer and feed-forward part, before the residual is added.
    pub(super) post_norm: bool,
    /// Norms are layer norms without biases, not RMS norms.
    pub(super) centred_norms: bool,
    /// The feed-forward part has the same input as the mixer, not the mixer's result.
    pub(super) parallel: bool,
    pub(super) head_norm: HeadNorm,
    /// Some models of the family lack the norms of queries and keys.
    pub(super) optional_head_norm: bool,
    pub(super) activation: Activation,
    /// The embedding is scaled by the square root of its width.
    pub(super) embedding_root: bool,
    /// Mixer of layers without attention, in hybrids.
    pub(super) recurrent: Option<Recurrent>,
    /// Attention has output gates.
    pub(super) is_gated: bool,
    /// Name of the norm before a feed-forward part, without layer prefix and `.weight`.
    pub(super) feed_forward_norm: &'static str,
    /// Name of the norm before the output head, without `.weight`.
    pub(super) output_norm: &'static str,
    pub(super) windows: Windows,
    /// Multimodal RoPE.
    pub(super) multimodal_rope: bool,
    /// In it, the components of a position alternate from pair to pair.
    pub(super) alternating_sections: bool,
    /// Base of RoPE in layers with a window, if it differs from that of other layers.
    pub(super) window_rope_base: Option<f32>,
    /// The file may say that there is no RoPE.
    pub(super) optional_rope: bool,
    /// Every n-th layer has no RoPE.
    pub(super) no_rope_step: Option<u32>,
    /// In models with windows, layers without one have no RoPE.
    pub(super) rope_in_windows: bool,
    /// Number of layers of the one model size whose attention is scaled by width / heads instead of the head size.
    pub(super) wide_scale_layers: Option<u32>,
    /// Logits are multiplied by the file's scale, not divided.
    pub(super) multiplies_logits: bool,
    /// How the experts' scores become weights, unless the file says.
    pub(super) scoring: Scoring,
    /// The weights of the chosen experts are normalised to sum to one, before they are scaled, unless the file says
    /// otherwise.
    pub(super) normalise_experts: bool,
    /// Feed-forward parts may be, or always are, mixtures of experts.
    pub(super) experts: Experts,
    /// Attention may become sharper with the position.
    pub(super) has_temperature: bool,
    /// Tokens attend to each other in both directions: an embedding model.
    pub(super) two_way: bool,
    /// Factor of the dot products, unless it follows from the head size.
    pub(super) attention_scale: Option<f32>,
    /// The values of each head are RMS-normalised, without weights.
    pub(super) value_norm: bool,
    /// A layer without a value projection uses that of the keys.
    pub(super) tied_values: bool,
    /// The last layers may use the keys and values of earlier ones.
    pub(super) shared_caches: bool,
    /// Each layer may have an input of its own for the token's ID, and a factor of its output.
    pub(super) layer_inputs: bool,
    /// Keys and values are compressed (multi-head latent attention).
    pub(super) latent: bool,
}

const LLAMA: Family = Family {
    name: "llama",
    rope_half: false,
    pre_norm: true,
    post_norm: false,
    centred_norms: false,
    parallel: false,
    head_norm: HeadNorm::None,
    optional_head_norm: false,
    activation: Activation::Silu,
    embedding_root: false,
    recurrent: None,
    is_gated: false,
    feed_forward_norm: "ffn_norm",
    output_norm: "output_norm",
    windows: Windows::Ignored,
    multimodal_rope: false,
    alternating_sections: true,
    window_rope_base: None,
    optional_rope: false,
    no_rope_step: None,
    rope_in_windows: false,
    wide_scale_layers: None,
    multiplies_logits: false,
    scoring: Scoring::Softmax,
    normalise_experts: true,
    experts: Experts::Optional,
    has_temperature: false,
    two_way: false,
    attention_scale: None,
    value_norm: false,
    tied_values: false,
    shared_caches: false,
    layer_inputs: false,
    latent: false,
};
const QWEN2: Family = Family { name: "qwen2", rope_half: true, experts: Experts::None, ..LLAMA };
const QWEN3: Family = Family { name: "qwen3", head_norm: HeadNorm::Head, ..QWEN2 };
const QWEN3MOE: Family = Family { name: "qwen3moe", experts: Experts::Always, ..QWEN3 };
const COMMAND_R: Family = Family {
    name: "command-r",
    centred_norms: true,
    parallel: true,
    multiplies_logits: true,
    experts: Experts::None,
    ..LLAMA
};
const GRANITE: Family = Family { name: "granite", optional_rope: true, experts: Experts::None, ..LLAMA };
const LFM2: Family = Family {
    name: "lfm2",
    head_norm: HeadNorm::Head,
    recurrent: Some(Recurrent::ShortConvolution),
    output_norm: "token_embd_norm",
    ..QWEN2
};
const QWEN35: Family = Family {
    name: "qwen35",
    recurrent: Some(Recurrent::DeltaNet),
    is_gated: true,
    multimodal_rope: true,
    feed_forward_norm: "post_attention_norm",
    ..QWEN3
};
const DEEPSEEK2: Family =
    Family { name: "deepseek2", has_temperature: true, normalise_experts: false, latent: true, ..LLAMA };
const GEMMA: Family = Family { name: "gemma", activation: Activation::GeluTanh, embedding_root: true, ..QWEN2 };
const GEMMA2: Family =
    Family { name: "gemma2", post_norm: true, windows: Windows::AllBut(2), wide_scale_layers: Some(46), ..GEMMA };
const GEMMA3: Family = Family {
    name: "gemma3",
    head_norm: HeadNorm::Head,
    windows: Windows::AllBut(6),
    window_rope_base: Some(10_000.0),
    wide_scale_layers: Some(62),
    ..GEMMA2
};

/// All families of generative models, and of embedding models with the same layers.
pub(super) const FAMILIES: &[Family] = &[
    LLAMA,
    Family { name: "mistral3", has_temperature: true, ..LLAMA },
    Family { name: "smollm3", no_rope_step: Some(4), experts: Experts::None, ..LLAMA },
    GRANITE,
    Family { name: "granitemoe", experts: Experts::Always, ..GRANITE },
    Family { name: "granitehybrid", recurrent: Some(Recurrent::StateSpace), experts: Experts::Optional, ..GRANITE },
    Family { name: "ernie4_5", experts: Experts::None, ..LLAMA },
    Family { name: "ernie4_5-moe", experts: Experts::Always, ..LLAMA },
    Family { name: "glm4", post_norm: true, experts: Experts::None, ..LLAMA },
    Family {
        name: "glm4moe",
        rope_half: true,
        head_norm: HeadNorm::Head,
        optional_head_norm: true,
        feed_forward_norm: "post_attention_norm",
        scoring: Scoring::Sigmoid,
        normalise_experts: false,
        experts: Experts::Always,
        ..LLAMA
    },
    COMMAND_R,
    Family { name: "cohere2", windows: Windows::OptionalAllBut(4), rope_in_windows: true, ..COMMAND_R },
    QWEN2,
    Family { name: "qwen2vl", multimodal_rope: true, alternating_sections: false, ..QWEN2 },
    Family { name: "qwen2moe", experts: Experts::Always, normalise_experts: false, ..QWEN2 },
    QWEN3,
    QWEN3MOE,
    Family { name: "qwen3vl", multimodal_rope: true, ..QWEN3 },
    Family { name: "qwen3vlmoe", multimodal_rope: true, ..QWEN3MOE },
    Family { name: "hunyuan-dense", head_norm: HeadNorm::HeadAfterRope, ..QWEN2 },
    Family { name: "phi3", ..QWEN2 },
    GEMMA,
    GEMMA2,
    GEMMA3,
    Family {
        name: "gemma4",
        windows: Windows::Listed,
        wide_scale_layers: None,
        attention_scale: Some(1.0),
        value_norm: true,
        tied_values: true,
        shared_caches: true,
        layer_inputs: true,
        ..GEMMA3
    },
    Family {
        name: "gpt-oss",
        activation: Activation::ClampedSwiglu,
        feed_forward_norm: "post_attention_norm",
        windows: Windows::AllBut(2),
        experts: Experts::Always,
        ..QWEN2
    },
    Family { name: "gemma-embedding", two_way: true, wide_scale_layers: None, ..GEMMA3 },
    // With a window it is OLMo 3.
    Family {
        name: "olmo2",
        pre_norm: false,
        post_norm: true,
        head_norm: HeadNorm::Row,
        windows: Windows::Rejected,
        ..QWEN2
    },
    Family {
        name: "exaone4",
        pre_norm: false,
        post_norm: true,
        head_norm: HeadNorm::Head,
        windows: Windows::OptionalAllBut(4),
        rope_in_windows: true,
        ..QWEN2
    },
    DEEPSEEK2,
    Family { name: "mistral4", ..DEEPSEEK2 },
    LFM2,
    Family { name: "lfm2moe", scoring: Scoring::Sigmoid, experts: Experts::Always, ..LFM2 },
    QWEN35,
    Family { name: "qwen35moe", experts: Experts::Always, ..QWEN35 },
    Family { name: "olmoe", head_norm: HeadNorm::Row, experts: Experts::Always, normalise_experts: false, ..QWEN2 },
];
