enable f16;

const LARGEST_HALF: vec4<f32> = vec4<f32>(65504.0);

// As f16; what that cannot hold becomes the largest that it can.
fn to_half(value: vec4<f32>) -> vec4<f16> {
    return vec4<f16>(clamp(value, -LARGEST_HALF, LARGEST_HALF));
}
