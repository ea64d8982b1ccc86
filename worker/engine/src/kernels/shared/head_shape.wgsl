// Constants: HEAD_DIM.
const HALF_DIM: u32 = HEAD_DIM / 2u;
