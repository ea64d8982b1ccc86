// Constants: HEAD_DIM, VALUE_DIM.
const HALF_DIM: u32 = HEAD_DIM / 2u;
const VALUE_PAIRS: u32 = VALUE_DIM / 2u;
