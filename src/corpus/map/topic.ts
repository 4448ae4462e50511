/** A topic of a corpus before it is named: other topics, or chunks. */
export interface Topic {
  /** Numbers of all chunks in it, ascending. */
  readonly chunks: Int32Array;
  /** Empty where the chunks themselves come next. */
  readonly topics: readonly Topic[];
  /** A name that needs no finding: of a file or folder, or of what is left over. */
  readonly name?: string;
}

export function leafTopic(chunks: Iterable<number>, name?: string): Topic {
  return { chunks: Int32Array.from(chunks).sort(), topics: [], name };
}

export function topicOf(topics: readonly Topic[], name?: string): Topic {
  const [only] = topics;
  if (only !== undefined && topics.length === 1) return name === undefined ? only : { ...only, name };
  const chunks = new Int32Array(topics.reduce((sum, topic) => sum + topic.chunks.length, 0));
  let end = 0;
  for (const topic of topics) {
    chunks.set(topic.chunks, end);
    end += topic.chunks.length;
  }
  return { chunks: chunks.sort(), topics, name };
}
