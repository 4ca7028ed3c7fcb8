/** A word or phrase that the project does not use, and the standard term to use. */
export type BannedWord = {
  /** Matched with word boundaries, without regard to case; identifiers are split into their words first. */
  readonly pattern: string;
  readonly use: string;
};

/** Rejected in identifiers, comments, messages, documents and test titles. */
export const BANNED_WORDS: readonly BannedWord[] = [
  { pattern: 'rooms?', use: 'package, component' },
  { pattern: 'story|stories', use: 'end-to-end test, timeline' },
  { pattern: 'tell|tells|told|telling', use: 'report, send, notify' },
  { pattern: 'hear|hears|heard|unheard|hearing', use: 'receive, last contact' },
  { pattern: 'silence|silent', use: 'disconnect, last contact' },
  { pattern: 'goodbye|farewell', use: 'reconnect, shutdown' },
  { pattern: 'trade(?!-off)|trades|traded|trading', use: 'exchange' },
  { pattern: 'spend|spends|spent|spending', use: 'use, consume' },
  { pattern: 'wish|wishes|errands?|claimants?', use: 'request, check, caller' },
  { pattern: 'surroundings|occasions?|circumstances', use: 'context, phase, origin' },
  {
    pattern: 'verdicts?|judge|judges|judged|judging|judge?ments?',
    use: 'decision, evaluate, check',
  },
  { pattern: 'glimpses?|rejudge|rejudges|rejudged|rejudging', use: 'prescan, revalidate' },
  { pattern: 'rehears(?:e|es|ed|al|als)', use: 'in-process run' },
  {
    pattern: 'besieged|theft|thefts|upheavals?',
    use: 'attack setup, stolen credentials, disruption',
  },
  { pattern: 'crowds?|ballast|laden', use: 'pod group, padding, oversized' },
  { pattern: 'patience|patiently|invitations?', use: 'timeout, retry, next steps' },
  { pattern: 'editions?|scenes?|players?', use: 'version, fixture, scenario runner' },
  { pattern: 'vouch|vouches|vouched|vouching', use: 'trust' },
  { pattern: 'lacking|excused|by leave', use: 'missing, exempted' },
  { pattern: 'alive|dead|dies|lives on', use: 'running, active, expired, remains valid' },
  { pattern: 'anew|afresh|for ever|forever', use: 'again, indefinitely' },
  { pattern: 'whoever|nobody|somebody', use: 'any caller, no one, another user' },
  { pattern: 'put away|pass(?:ed|es|ing)? over', use: 'omit, skip' },
  { pattern: 'all is well|not well', use: 'no problems found, problems' },
  { pattern: 'stand|stands|stood', use: 'is, exists' },
  { pattern: 'of ours', use: 'our' },
  { pattern: 'never jumps|last word|in words', use: 'monotonic clock, last update, as text' },
];

/** Rejected in identifiers only. */
export const BANNED_IDENTIFIERS: readonly BannedWord[] = [
  { pattern: '^open(?!id|ssl|api|Sync$)[A-Z]\\w*$', use: 'create… for a factory' },
  {
    pattern: '^(?!indexOf$|lastIndexOf$|valueOf$|toBeInstanceOf$)\\w*[a-z]Of$',
    use: 'a verb and an object',
  },
  {
    pattern: '(?:[a-z]|^)(?:Edges|Parts|Terms)$',
    use: '…Deps for functions and clients, …Options for values',
  },
  { pattern: '^(?:late|told)[A-Z]', use: 'a name that says what it does' },
  { pattern: '^Known$', use: 'the name of the context' },
  {
    pattern: '^(?:utils|helpers|common|manager)$|(?:Utils|Helpers|Manager|Iface)$',
    use: 'the name of the subject',
  },
];

/** Rejected in string literals of product code: users read them. */
export const BANNED_IN_MESSAGES: readonly BannedWord[] = [
  { pattern: 'bugs?', use: 'internal error' },
];
