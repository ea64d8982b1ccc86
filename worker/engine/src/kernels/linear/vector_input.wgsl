// Input of the product: [tokens][COLS / 4]
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;

fn input(index: u32) -> vec4<f32> {
    return x[index];
}
