const REPLACED = '[redacted]';

/**
 * What must never reach a log, whatever put it there: ping tokens, in URLs or alone; management keys; signing secrets;
 * credentials in headers and URLs; e-mail addresses.
 */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/(\/heartbeats\/)[^/\s"'?#\\]+(\/ping\b)/g, `$1${REPLACED}$2`],
  [/\b(?:flk|tsk)_[A-Za-z0-9_-]{16,}/g, REPLACED],
  [/\bwhsec_[A-Za-z0-9+/=_-]{8,}/g, REPLACED],
  [/\b(Bearer|Basic)\s+[^\s"'\\]+/gi, `$1 ${REPLACED}`],
  [/(\b[a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/@"'\\]+@/gi, `$1${REPLACED}@`],
  [/[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+/g, REPLACED],
  // A lone ping token: a long run of base64url. The capital letter spares ids and names in kebab-case.
  [/(?<![A-Za-z0-9_-])(?=[a-z0-9_-]*[A-Z])[A-Za-z0-9_-]{40,}(?![A-Za-z0-9_-])/g, REPLACED],
];

/**
 * Makes a function that takes secrets out of text. `literals` are values known to be secret, such as keys from the
 * environment; those shorter than 8 characters are ignored, because they would tear ordinary words apart.
 */
export function createScrubber(literals: readonly string[] = []): (text: string) => string {
  const known = literals.filter((literal) => literal.length >= 8).sort((a, b) => b.length - a.length);
  return (text) => {
    let clean = text;
    for (const literal of known) clean = clean.replaceAll(literal, REPLACED);
    for (const [pattern, replacement] of PATTERNS) clean = clean.replace(pattern, replacement);
    return clean;
  };
}

/** Takes the ping token out of a URL or path, so that it can be logged. */
export function redactUrl(url: string): string {
  return createScrubber()(url);
}
