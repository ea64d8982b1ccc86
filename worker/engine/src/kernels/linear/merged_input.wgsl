// One token's attention as the input of a matrix, merged from its splits. Every workgroup merges them itself, which
// takes less time than a separate dispatch.
// Constants: SPLITS, VALUE_DIM, and those of `matvec.wgsl`.

// Sums, then a pair of the highest score and the sum of weights: [HEADS][SPLITS][VALUE_DIM / 2 + 1]
@group(0) @binding(3) var<storage, read> parts: array<vec2<f32>>;

const VALUE_PAIRS: u32 = VALUE_DIM / 2u;

fn input(index: u32) -> vec4<f32> {
    let base = 2u * index / VALUE_PAIRS * SPLITS * (VALUE_PAIRS + 1u);
    let pair = 2u * index % VALUE_PAIRS;
    // All loads are issued before the first result is needed.
    #repeat s SPLITS
    let tail$s = parts[base + $su * (VALUE_PAIRS + 1u) + VALUE_PAIRS];
    let part$s = vec4<f32>(
        parts[base + $su * (VALUE_PAIRS + 1u) + pair],
        parts[base + $su * (VALUE_PAIRS + 1u) + pair + 1u],
    );
    #end
    var highest = -3.0e38;
    #repeat s SPLITS
    highest = max(highest, tail$s.x);
    #end
    var sum = vec4<f32>(0.0);
    var total = 0.0;
    #repeat s SPLITS
    let factor$s = exp(tail$s.x - highest);
    sum += factor$s * part$s;
    total += factor$s * tail$s.y;
    #end
    return sum / total;
}
