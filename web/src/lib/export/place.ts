/** Where a file that is made in the browser goes. */

/** What is written to `stream` is the person's file once that was closed and `done` has returned, and before that nothing is. */
export type Place = { stream: WritableStream<Uint8Array>; done(): Promise<void>; discard(): Promise<void> };

type Picker = (options: { suggestedName: string }) => Promise<FileSystemFileHandle & { remove?: () => Promise<void> }>;

/** So much is held in memory before the browser gets it, and may put it aside on the disk. */
const PIECE = 4 << 20;
/** How long a browser may take to begin with a download, in milliseconds. */
const BEGINNING = 60_000;

/**
 * Asks where the file shall be, in browsers that write it there piece by piece. Others get it whole, and download it then. To be
 * called by a click.
 *
 * @returns null if the person would rather not.
 */
export async function choosePlace(name: string): Promise<Place | null> {
  const pick = (globalThis as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  if (!pick) return gathered(name);
  try {
    const handle = await pick({ suggestedName: name });
    const stream = await handle.createWritable();
    const discard = async () => {
      await stream.abort().catch(() => {});
      // The choice has made an empty file, or emptied one.
      await handle.remove?.().catch(() => {});
    };
    return { stream, done: async () => {}, discard };
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return null;
    // Some systems and administrators do not allow it.
    return gathered(name);
  }
}

function gathered(name: string): Place {
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
      if (size >= PIECE) put();
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
      setTimeout(() => URL.revokeObjectURL(link.href), BEGINNING);
    },
    async discard() {
      all = [];
      piece = [];
    },
  };
}
