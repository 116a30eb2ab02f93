// The columns of the row sums [R, ROW_COLUMNS] that a loss leaves behind: what each is the sum of is said in
// `rowColumns` of src/engine/step-metrics.ts, whose order the compiler holds to these numbers (src/engine/gpu/settings.ts).

const ROW_TOKENS = 0u;
const ROW_LOSS = 1u;
const ROW_POLICY_LOSS = 2u;
const ROW_KL = 3u;
const ROW_ENTROPY = 4u;
const ROW_CLIPPED_LOW = 5u;
const ROW_CLIPPED_HIGH = 6u;
const ROW_RATIO_MAX = 7u;
const ROW_DIFFERENCE = 8u;
const ROW_DIFFERENCE_MAX = 9u;
const ROW_COLUMNS = 10u;
