//! Limits of a device.

/// Limits of a device. WebGPU does not report the amount of memory: running out of it only shows on allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceLimits {
    /// Size of the largest storage binding in bytes.
    pub max_binding_bytes: u64,
}

impl DeviceLimits {
    /// The limits that every WebGPU device supports.
    pub const DEFAULT: Self = Self { max_binding_bytes: 128 << 20 };
}
