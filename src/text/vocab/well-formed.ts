const loneSurrogates = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Halves of surrogate pairs have no bytes in UTF-8; they become U+FFFD, as everywhere else when text is written out. */
export function withoutLoneSurrogates(text: string): string {
  return text.replace(loneSurrogates, "\ufffd");
}
