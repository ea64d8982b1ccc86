// The 4-bit floats of MXFP4 and NVFP4, doubled (OCP Microscaling Formats 1.0, table 5).
const TABLE = array<f32, 16>(
    0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0
);
