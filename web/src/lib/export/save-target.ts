/** The target of a file that the browser creates: a file on disk that the user chooses, or a download. */

/** The file exists when `stream` is closed and `done` has resolved, and not before. */
export type SaveTarget = { stream: WritableStream<Uint8Array>; done(): Promise<void>; discard(): Promise<void> };

type Picker = (options: { suggestedName: string }) => Promise<FileSystemFileHandle & { remove?: () => Promise<void> }>;

/** The bytes in memory are turned into a Blob at this size, as browsers can move Blobs to the disk. */
const BLOB_SIZE = 4 << 20;
/** How long a browser may take to start a download, in ms. */
const START_WITHIN = 60_000;

/**
 * Asks the user for a file, in browsers that can write to it; in others, collects the file for a download. Has to be
 * called by a click.
 *
 * @returns null if the user cancels.
 */
export async function chooseSaveTarget(name: string): Promise<SaveTarget | null> {
  const pick = (globalThis as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  if (!pick) return download(name);
  try {
    const handle = await pick({ suggestedName: name });
    const stream = await handle.createWritable();
    const discard = async () => {
      await stream.abort().catch(() => {});
      // Choosing a file has created or emptied it.
      await handle.remove?.().catch(() => {});
    };
    return { stream, done: async () => {}, discard };
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return null;
    // Some systems and administrators forbid to choose a file.
    return download(name);
  }
}

function download(name: string): SaveTarget {
  let all: Blob[] = [];
  let piece: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const put = () => {
    all.push(new Blob(piece));
    piece = [];
    size = 0;
  };
  const stream = new WritableStream<Uint8Array>({
    write(bytes) {
      piece.push(bytes as Uint8Array<ArrayBuffer>);
      size += bytes.length;
      if (size >= BLOB_SIZE) put();
    },
    close: put,
  });
  return {
    stream,
    async done() {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob(all, { type: 'application/zip' }));
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), START_WITHIN);
    },
    async discard() {
      all = [];
      piece = [];
    },
  };
}
