// What adapters throw when the thing behind them does not answer: a reason to try again later, not a fault of ours.

/** A store cannot be asked now. The server answers 503 with it; who can go on without the store catches it. */
export class Unavailable extends Error {}
