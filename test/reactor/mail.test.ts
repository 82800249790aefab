/**
 * Mail for one worker: under all schedules of senders, parking, the limit, a monitor, a worker that retires or vanishes,
 * nothing is forgotten, nothing runs where it does not live, and no more run than may. And the exploration finds what is
 * seeded. Scenarios 12, 66, 71, 110 as far as mail goes.
 */
import { describe, expect, test } from 'vitest';
import type { Dispatcher } from '../../src/reactor/dispatcher.ts';
import type { Mail } from '../../src/reactor/mail.ts';
import { Word } from '../../src/slots/layout.ts';
import { expectFails, expectHolds } from '../explorer/explore.ts';
import { type MailCase, mailProgram, realMail } from './mail-world.ts';

const holds = (pool: MailCase): number => expectHolds(mailProgram(pool)).schedules;

describe('nothing is forgotten', () => {
  test('one worker, parked or in the kernel', () => {
    expect(holds({ workers: 1, sends: [0, 0], preemptions: 3 })).toBeGreaterThan(10);
  });

  test('two workers, each with its own', () => {
    holds({ workers: 2, sends: [1, 0], preemptions: 2 });
    holds({ workers: 2, sends: [1], others: [1], preemptions: 1 });
  });

  test('mail beside work for all', () => {
    holds({ workers: 2, sends: [1], filled: 1, preemptions: 2 });
  });

  test('one at a time may run', () => {
    holds({ workers: 2, concurrency: 1, sends: [0, 1], preemptions: 2 });
    holds({ workers: 3, concurrency: 1, sends: [0, 1], others: [1], preemptions: 1 });
  });

  test('a worker that seems to wait for a place, and does not', () => {
    holds({ workers: 1, sends: [0], waiting: 0, preemptions: 2 });
    holds({ workers: 2, concurrency: 1, sends: [1], filled: 1, waiting: 1, preemptions: 1 });
  });

  test('one at a time, and a monitor that has places handed over', () => {
    holds({
      workers: 2,
      concurrency: 1,
      sends: [0, 1],
      filled: 1,
      monitored: true,
      ticks: 3,
      preemptions: 1,
    });
  });

  test('a worker that retires, and a slot that is given a home meanwhile', () => {
    holds({ workers: 2, registers: true, retires: 0, preemptions: 2 });
    holds({ workers: 2, sends: [0], retires: 0, preemptions: 2 });
  });

  test.each<[string, MailCase]>([
    ['beside another one', { workers: 2, sends: [0, 1], mortal: true }],
    ['when one at a time may run', { workers: 2, concurrency: 1, sends: [1, 0], mortal: true }],
    ['while a slot is given a home', { workers: 2, registers: true, mortal: true }],
    ['while old homes are still seen', { workers: 2, sends: [0], mortal: true, stale: true }],
  ])('a home that vanishes %s', (_, pool) => {
    holds({ ...pool, preemptions: 1 });
  });
});

describe('the exploration finds', () => {
  /** A dispatcher with a part of its mail changed. */
  const changed =
    (change: (mail: Mail, dispatcher: Dispatcher) => void): NonNullable<MailCase['make']> =>
    (port, me, pool) => {
      const dispatcher = realMail(port, me, pool);
      change(dispatcher.mail, dispatcher);
      return dispatcher;
    };
  const fails = (pool: MailCase, message: RegExp): void =>
    void expectFails(mailProgram({ preemptions: 2, ...pool }), message);
  const FORGOTTEN = /nobody comes|deadlock/i;

  test('a sender that does not wake the worker in the kernel', () => {
    const make = changed((mail, { lot }) => {
      mail.rouse = (worker) => void lot.wake(worker);
    });
    fails({ workers: 1, sends: [0], make }, FORGOTTEN);
  });

  test('a worker that waits for a place and tells nobody', () => {
    const make = changed((mail) => {
      mail.wait = () => {};
    });
    fails({ workers: 2, concurrency: 1, sends: [0, 1], make }, FORGOTTEN);
  });

  test('a sender that takes it for granted that who waits for a place gets one', () => {
    const make = changed((mail, { memory }) => {
      const rouse = mail.rouse.bind(mail);
      mail.rouse = (worker) => {
        if ((memory.port.load(Word.WAITERS) & (1 << worker)) === 0) rouse(worker);
      };
    });
    fails({ workers: 1, sends: [0], waiting: 0, make }, FORGOTTEN);
  });

  test('a worker that leaves its place and looks at nobody', () => {
    const make = changed((mail) => {
      mail.passPlace = () => {};
    });
    fails({ workers: 2, concurrency: 1, sends: [0, 1], make }, FORGOTTEN);
  });

  test('a place that is handed over without being left', () => {
    const make = changed((mail, { runnable, memory, lot }) => {
      mail.handOver = (worker) => {
        const waiters = memory.port.load(Word.WAITERS) & ~(1 << worker);
        if (waiters === 0) return false;
        const next = 31 - Math.clz32(waiters);
        mail.stopWaiting(next);
        runnable.enterAnyway(next);
        lot.wake(next);
        return false;
      };
    });
    fails(
      { workers: 2, concurrency: 1, sends: [0, 1], filled: 2, monitored: true, ticks: 3, make },
      /more run than may/,
    );
  });

  test('a sender that does not look whether the mailbox is still open', () => {
    const make = changed(({ boxes }) => {
      boxes.isOpen = () => true;
    });
    fails({ workers: 2, sends: [0], mortal: true, stale: true, preemptions: 1, make }, FORGOTTEN);
  });

  test('a worker that retires and leaves its mailbox open', () => {
    const make = changed(({ boxes }) => {
      boxes.close = () => {};
    });
    fails({ workers: 2, registers: true, retires: 0, make }, /nobody comes|retired/);
  });
});
