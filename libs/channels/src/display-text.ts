/**
 * Characters that a name may hold but that must not reach a subject line, a terminal or running text as they are:
 * controls (escape sequences, line breaks), line and paragraph separators, and the overrides that turn the direction
 * of the text after them. Right-to-left scripts need none of these and stay as they are.
 */
const unprintable = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
const loneSurrogates = /\p{Cs}/gu;
const visible = /[^\p{Default_Ignorable_Code_Point}\p{Z}]/u;

const ELLIPSIS = '…';

/**
 * A name as one line of harmless text; every character that is none becomes U+FFFD, so that nothing is hidden.
 *
 * @param maxLength longest result in characters (code points); what is longer ends in an ellipsis
 */
export function displayText(text: string, maxLength = Number.POSITIVE_INFINITY): string {
  const harmless = text.replace(unprintable, '\ufffd').replace(loneSurrogates, '\ufffd').trim();
  const characters = Array.from(harmless);
  if (!visible.test(harmless)) return '\ufffd';
  if (characters.length <= maxLength) return harmless;
  return `${characters.slice(0, maxLength - 1).join('')}${ELLIPSIS}`;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text for HTML, safe in elements and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
