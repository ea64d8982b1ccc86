/** Identifies the build, because workers of different builds may be incompatible. Filled in by `cargo xtask finish-site`. */
export const BUILD = "";
