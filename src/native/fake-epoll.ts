/**
 * epoll sets of the fake kernel, after fs/eventpoll.c: an item is named by number *and* file; a wake-up puts it on the
 * ready list, and only a wait polls the file again. Level-triggered items go back to the tail of the list, a oneshot item
 * loses all its bits, ERR and HUP too, until a MOD.
 */
import { Epoll, EpollOp, Errno, type EventShape } from './contract.ts';
import { FakeFile, type Watcher } from './fake-files.ts';

const PRIVATE_BITS = Epoll.ONESHOT | Epoll.EDGE;
const UNMASKABLE = Epoll.ERR | Epoll.HUP;

export type FakeEvent = { readonly bits: number; readonly index: number; readonly generation: number };

class Item implements Watcher {
  readonly set: EpollFile;
  readonly fd: number;
  readonly file: FakeFile;
  bits = 0;
  index = 0;
  generation = 0;

  constructor(set: EpollFile, fd: number, file: FakeFile) {
    this.set = set;
    this.fd = fd;
    this.file = file;
  }

  get ready(): number {
    return this.file.ready() & this.bits;
  }

  woken(key: number): void {
    if ((this.bits & ~PRIVATE_BITS) === 0) return;
    if (key === 0 || (key & this.bits) !== 0) this.set.enlist(this);
  }

  dropped(): void {
    this.set.forget(this);
  }
}

export class EpollFile extends FakeFile {
  readonly #items = new Set<Item>();
  readonly #ready = new Set<Item>();

  ready(): number {
    for (const item of this.#ready) {
      if (item.ready !== 0) return Epoll.IN;
      this.#ready.delete(item);
    }
    return 0;
  }

  control(op: EpollOp, fd: number, file: FakeFile, event: FakeEvent): number {
    const item = this.#find(fd, file);
    switch (op) {
      case EpollOp.ADD:
        if (item !== undefined) return Errno.EEXIST;
        if (file instanceof EpollFile && file.#reaches(this)) return Errno.ELOOP;
        this.#add(new Item(this, fd, file), event);
        return 0;
      case EpollOp.MOD:
        if (item === undefined) return Errno.ENOENT;
        this.#arm(item, event);
        return 0;
      case EpollOp.DEL:
        if (item === undefined) return Errno.ENOENT;
        this.forget(item);
        return 0;
    }
  }

  /** Takes up to `max` events. */
  collect(max: number): FakeEvent[] {
    const events: FakeEvent[] = [];
    const again: Item[] = [];
    for (const item of this.#ready) {
      if (events.length === max) break;
      this.#ready.delete(item);
      const bits = item.ready;
      if (bits === 0) continue;
      events.push({ bits, index: item.index, generation: item.generation });
      if ((item.bits & Epoll.ONESHOT) !== 0) item.bits &= PRIVATE_BITS;
      else if ((item.bits & Epoll.EDGE) === 0) again.push(item);
    }
    for (const item of again) this.#ready.add(item);
    return events;
  }

  enlist(item: Item): void {
    this.#ready.add(item);
    this.wake(Epoll.IN);
  }

  forget(item: Item): void {
    this.#items.delete(item);
    this.#ready.delete(item);
    item.file.watchers.delete(item);
  }

  override release(): void {
    super.release();
    for (const item of this.#items) this.forget(item);
  }

  #add(item: Item, event: FakeEvent): void {
    this.#items.add(item);
    item.file.watchers.add(item);
    this.#arm(item, event);
  }

  #arm(item: Item, event: FakeEvent): void {
    item.bits = event.bits | UNMASKABLE;
    item.index = event.index;
    item.generation = event.generation;
    if (item.ready !== 0) this.enlist(item);
  }

  #find(fd: number, file: FakeFile): Item | undefined {
    for (const item of this.#items) if (item.fd === fd && item.file === file) return item;
    return undefined;
  }

  #reaches(other: EpollFile): boolean {
    if (other === this) return true;
    for (const { file } of this.#items) if (file instanceof EpollFile && file.#reaches(other)) return true;
    return false;
  }
}

/** Lays events out as epoll_wait does. */
export function writeEvents(into: Uint8Array, shape: EventShape, events: readonly FakeEvent[]): void {
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  for (const [i, event] of events.entries()) {
    const at = i * shape.stride * 4;
    view.setInt32(at, event.bits, true);
    view.setInt32(at + shape.index * 4, event.index, true);
    view.setInt32(at + shape.generation * 4, event.generation, true);
  }
}
