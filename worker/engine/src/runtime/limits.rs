//! What a device can hold.

/// What a device can hold. WebGPU does not say how much memory there is; that shows when it is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceLimits {
    /// Largest storage binding in bytes.
    pub max_binding_bytes: u64,
}

impl DeviceLimits {
    /// What every WebGPU device can do.
    pub const DEFAULT: Self = Self { max_binding_bytes: 128 << 20 };
}
