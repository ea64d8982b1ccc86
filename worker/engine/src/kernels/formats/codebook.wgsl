// The codebook that precedes the scales. What includes this declares the type of its entries (`Entry`), their number
// (CODEBOOK_ENTRIES) and how to read one (`stored_entry`). With SHARED_CODEBOOK the workgroup works with a copy in its
// memory: threads that read different entries of a buffer wait for each other's cache lines.
#ifdef SHARED_CODEBOOK
// [CODEBOOK_ENTRIES]
var<workgroup> codebook: array<Entry, CODEBOOK_ENTRIES>;

// Has to be followed by a barrier.
fn fill_codebook(thread: u32) {
    for (var first = thread; first < CODEBOOK_ENTRIES; first += 4u * WORKGROUP) {
        // All loads are issued before the first result is needed.
        #repeat i 4
        let at$i = first + $iu * WORKGROUP;
        let entry$i = stored_entry(min(at$i, CODEBOOK_ENTRIES - 1u));
        #end
        #repeat i 4
        if (at$i < CODEBOOK_ENTRIES) {
            codebook[at$i] = entry$i;
        }
        #end
    }
}

fn load_entry(index: u32) -> Entry {
    return codebook[index];
}
#else
fn load_entry(index: u32) -> Entry {
    return stored_entry(index);
}
#endif
