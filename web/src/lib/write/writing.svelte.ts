/** One entry while it is being written: what is on the page, and how it gets from there to this device and the server. */

import { v7 as uuid } from 'uuid';

import { handOver, recordingWaits } from '../audio/bench.svelte';
import { drafts, outbox } from '../drafts/outbox.svelte';
import { where } from '../drafts/where.svelte';
import { isEmpty, NOTHING, writtenOf, type Base, type Written } from '../drafts/written';
import type { Entry } from '../entries/entry';
import { canBeShown } from './beginning';
import type { Editor } from './editor';
import { WordCounter } from './words';

/** A change is kept on this device after so many ms; a long text takes a while to encrypt. */
const KEEP_AFTER = 400;
const KEEP_LONG_AFTER = 800;
const LONG = 200_000;
/** It is sent so many ms after the last change, and at the latest so many after the first. */
const SEND_AFTER = 2_500;
const SEND_BY = 15_000;
/** Words are counted when typing pauses, in ms. */
const COUNT_AFTER = 300;

/** `memory`: this device could not keep it; it lives as long as the page. */
export type Keeping = 'clean' | 'changed' | 'kept' | 'memory';

const open = new Map<string, Writing>();

/**
 * What was written and recorded for an entry that is no more goes on as another one, whose id is the answer. The id from before
 * may be in use where nobody here can see it: under a secret tag.
 */
export async function goOn(from: string, written: Written, secretTagId: string | null): Promise<string> {
  const id = uuid();
  await drafts.keep(id, written, secretTagId);
  await handOver(from, id);
  await drafts.remove(from);
  outbox.clear(from);
  return id;
}

export class Writing {
  readonly id: string;
  title = $state('');
  tags = $state<string[]>([]);
  date = $state('');
  zone = $state('');
  secretTagId = $state<string | null>(null);
  keeping = $state<Keeping>('clean');
  words = $state(0);
  /** There is neither title nor text. */
  empty = $state(true);
  /** When the person last changed something, in ms. */
  changedAt = $state(0);
  /** Whether the server has it, as far as is known here. */
  onServer = $state(false);
  /** Texts of another tab had to be put aside. */
  displaced = $state(0);
  /** The secret tag that it is under was closed. */
  locked = $state(false);

  #text: string;
  #editor: Editor | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #chain: Promise<void> = Promise.resolve();
  #changes = 0;
  #keptChanges = 0;
  #unsentSince: number | null = null;
  #counting = new AbortController();
  readonly #counter = new WordCounter();
  #leave: (() => void)[] = [];

  private constructor(id: string, written: Written, base: Base, secretTagId: string | null) {
    this.id = id;
    this.#text = written.content;
    this.secretTagId = secretTagId;
    this.#show(written, base);
    this.#leave = [
      outbox.writing(() => this.keep()),
      outbox.follow(id, () => void this.#follow()),
      where.beforeClose((tag) => this.#onClose(tag)),
    ];
    open.set(id, this);
    if (secretTagId !== null) void drafts.prepare(secretTagId);
  }

  /** A new page. */
  static begin(id: string, written: Written, secretTagId: string | null): Writing {
    drafts.hold(id).base = NOTHING;
    return new Writing(id, written, NOTHING, secretTagId);
  }

  /** Goes on with what this device has kept, or null if it has nothing. */
  static async resume(id: string): Promise<Writing | null> {
    const found = await drafts.take(id);
    // What could not be encrypted is in memory as it is, whether its secret tag is open or not.
    if (!found?.kept || !canBeShown(found.kept)) return null;
    const writing = new Writing(id, found.kept.written, found.base, found.kept.secretTagId);
    writing.keeping = 'kept';
    void outbox.send(id);
    return writing;
  }

  /** Takes up what the server has. */
  static edit(entry: Entry): Writing {
    const base: Base = { revision: entry.revision, written: writtenOf(entry) };
    const hold = drafts.hold(entry.id);
    hold.seen = null;
    hold.base = base;
    return new Writing(entry.id, base.written!, base, entry.secretTagId);
  }

  get delivery() {
    return outbox.delivery(this.id);
  }

  /** What both began from, if somebody else changed the entry. */
  get ground(): string | null {
    return drafts.hold(this.id).base.written?.content ?? null;
  }

  get text(): string {
    return this.#editor?.text() ?? this.#text;
  }

  written(): Written {
    // Without the proxies of Svelte, which no database takes.
    return { title: this.title || null, content: this.text, tags: [...this.tags], date: this.date, zone: this.zone };
  }

  /** Where it will be kept: chosen before the first word. False if something is recorded that would not go there with it. */
  async moveUnder(secretTagId: string | null): Promise<boolean> {
    if (await recordingWaits(this.id)) return false;
    this.secretTagId = secretTagId;
    if (secretTagId !== null) void drafts.prepare(secretTagId);
    return true;
  }

  /** The editor is there: from now on it has the text. */
  attach(editor: Editor): void {
    this.#editor = editor;
  }

  /** Says that something was changed by the person. */
  changed(): void {
    this.#changes++;
    this.keeping = 'changed';
    this.empty = this.title.trim() === '' && (this.#editor?.isEmpty() ?? this.#text === '');
    this.changedAt = Date.now();
    this.#unsentSince ??= this.changedAt;
    const long = (this.#editor?.view.state.doc.length ?? 0) > LONG;
    this.#timer ??= setTimeout(() => void this.keep(), long ? KEEP_LONG_AFTER : KEEP_AFTER);
    this.#count();
  }

  /** Keeps on this device what is not kept yet; one at a time. Never rejects. */
  keep(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#chain = this.#chain.then(() => this.#keep());
    return this.#chain;
  }

  /** Keeps it and sends it at once. */
  async save(): Promise<void> {
    await this.keep();
    await outbox.send(this.id);
  }

  /** The page is left. What was written goes its way without it. */
  async close(): Promise<void> {
    const text = this.text;
    await this.keep();
    this.#editor = null;
    this.#text = text;
    for (const step of this.#leave) step();
    this.#counting.abort();
    open.delete(this.id);
    const found = await drafts.read(this.id);
    const nothing = found?.kept && found.base.revision === null && isEmpty(found.kept.written);
    // What was recorded is no less than what was written.
    if (nothing && !(await recordingWaits(this.id))) await outbox.discard(this.id);
    else await outbox.send(this.id);
    // Somebody may have come back to it meanwhile.
    if (open.has(this.id)) return;
    await drafts.release(this.id);
    if (outbox.delivery(this.id)?.phase === 'sent') outbox.clear(this.id);
  }

  /**
   * The person decided: this text is the one, and `other` is what it takes the place of. If there is none, it goes on as another
   * entry, whose id is the answer.
   */
  async keepMine(text: string): Promise<string | null> {
    let anew: string | null = null;
    await this.#decide(async (other) => {
      if (!other) return void (anew = await this.anew());
      if (text !== this.text) {
        await drafts.setAside(this.id, this.written(), this.secretTagId);
        this.#editor?.write(text);
      }
      await drafts.setAside(this.id, other.written, this.secretTagId);
      drafts.hold(this.id).base = { revision: other.revision, written: other.written };
      this.#changes++;
      await this.keep();
    });
    if (!anew) await outbox.send(this.id);
    return anew;
  }

  /** The entry is no more: what is on the page goes on as another one, whose id is the answer. */
  async anew(): Promise<string> {
    await this.#endKeeping();
    return goOn(this.id, this.written(), this.secretTagId);
  }

  /** The person decided for the other version. False if the entry is gone with it. */
  async takeTheirs(): Promise<boolean> {
    let there = true;
    await this.#decide(async (other) => {
      await drafts.setAside(this.id, this.written(), this.secretTagId);
      await drafts.remove(this.id);
      there = other !== null;
      if (!other) return;
      const base = { revision: other.revision, written: other.written };
      drafts.hold(this.id).base = base;
      this.#adopt(other.written, base);
    });
    return there;
  }

  /** Puts a version that was set aside back on the page; what is there now is set aside in its place. */
  async restore({ title, content, tags }: Written): Promise<void> {
    await drafts.setAside(this.id, this.written(), this.secretTagId);
    this.title = title ?? '';
    this.tags = [...tags];
    this.#editor?.write(content);
    this.changed();
    await this.save();
  }

  /** Throws a page away that the server never had. False if it has it by now. */
  async discard(): Promise<boolean> {
    await this.#endKeeping();
    return outbox.discard(this.id);
  }

  /** Takes the entry back, from here and from the server: the page is a new one again. Out of reach, all stays as it is. */
  async withdraw(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#chain;
    const changes = this.#changes;
    try {
      await outbox.withdraw(this.id, this.secretTagId);
    } catch {
      return;
    }
    drafts.hold(this.id).base = NOTHING;
    this.onServer = false;
    // Somebody went on writing meanwhile: then that is a new entry.
    if (changes !== this.#changes) return;
    this.#keptChanges = ++this.#changes;
    this.#adopt({ ...this.written(), title: null, content: '' }, NOTHING);
  }

  /** Nothing of this page is kept any more. */
  async #endKeeping(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#chain;
    this.#keptChanges = this.#changes;
  }

  async #decide(run: (other: { revision: number; written: Written } | null) => Promise<void>): Promise<void> {
    await this.keep();
    const { delivery } = this;
    if (delivery?.phase !== 'conflict') return;
    await run(delivery.other);
    outbox.clear(this.id);
  }

  async #keep(): Promise<void> {
    const changes = this.#changes;
    if (changes === this.#keptChanges) return;
    const written = this.written();
    try {
      const { durable, displaced } = await drafts.keep(this.id, written, this.secretTagId);
      this.#keptChanges = changes;
      if (displaced) this.displaced++;
      if (changes === this.#changes) this.keeping = durable ? 'kept' : 'memory';
    } catch {
      // Under a secret tag that is locked: it stays on the page, and the page says so.
      this.keeping = 'memory';
      return;
    }
    if (this.delivery?.phase === 'sent' && this.delivery.at > (this.#unsentSince ?? 0)) this.#unsentSince = Date.now();
    const latest = (this.#unsentSince ?? Date.now()) + SEND_BY - Date.now();
    outbox.soon(this.id, Math.max(0, Math.min(SEND_AFTER, latest)));
  }

  /** Another tab was at work. If nothing was typed here since, its text is taken over. */
  async #follow(): Promise<void> {
    const clean = () => this.#changes === this.#keptChanges;
    const hold = drafts.hold(this.id);
    const found = await drafts.read(this.id);
    if (!found || !clean()) return;
    const { kept, base } = found;
    if (kept?.stamp !== hold.seen && kept) {
      hold.seen = kept.stamp;
      hold.base = base;
      this.#adopt(kept.written, base);
      this.keeping = 'kept';
    } else if (!kept && base.revision !== hold.base.revision && base.written) {
      hold.seen = null;
      hold.base = base;
      this.#adopt(base.written, base);
      outbox.sentElsewhere(this.id);
    } else if (kept) {
      hold.base = base;
    }
    if (base.other !== undefined) void outbox.send(this.id);
  }

  #adopt(written: Written, base: Base): void {
    this.#text = written.content;
    this.#editor?.adopt(written.content);
    this.#show(written, base);
    this.keeping = 'clean';
  }

  #show({ title, content, tags, date, zone }: Written, base: Base): void {
    this.title = title ?? '';
    this.tags = [...tags];
    this.date = date;
    this.zone = zone;
    this.empty = !title?.trim() && content === '';
    this.onServer = base.revision !== null;
    this.#count();
  }

  #count(): void {
    this.#counting.abort();
    this.#counting = new AbortController();
    const { signal } = this.#counting;
    setTimeout(async () => {
      if (signal.aborted) return;
      const words = await this.#counter.count(`${this.title}\n${this.text}`, signal);
      if (words !== null) this.words = words;
    }, COUNT_AFTER);
  }

  #onClose(secretTagId: string): void {
    if (secretTagId === this.secretTagId) this.locked = true;
  }
}
