/** Fills a journal with two realistic years up to today. The texts and tags are the same in each run. */

import type { User } from '../support/users';

const DAYS = 730;
const DAY = 86_400_000;

const TAGS = {
  garden: '#3f8f4f',
  walks: '#25918a',
  family: '#c9622b',
  work: '#4a6fd0',
  reading: '#7d63c9',
  dreams: '#a84fb0',
};

type Text = readonly [title: string | null, content: string, tags: readonly (keyof typeof TAGS)[]];

const TEXTS: readonly Text[] = [
  [
    'First frost',
    'The lake was **silent** this morning, and the reeds were white to the tips. I stayed until my hands hurt.\n\nOn the way back a heron stood in the ditch as if someone had put it there.',
    ['walks'],
  ],
  [
    'Plums',
    'Eleven jars. Two broke in the pot, because I was on the telephone with M. The kitchen smells of cinnamon, and will until Sunday.',
    ['garden', 'family'],
  ],
  [
    null,
    'Could not sleep. The neighbours’ light went out at two, mine at three. Nothing is wrong; it is just that the day did not want to end.',
    [],
  ],
  [
    'What Grandmother said about bread',
    '> It is done when it sounds like a door with someone knocking at it.\n\nI wrote down the rest of it, too:\n\n- 500 g of rye, the coarse one\n- salt *after* the first hour\n- a wet cloth, and patience',
    ['family'],
  ],
  [
    'The long meeting',
    'Three hours about a form with four fields. I drew the window, the tree in the window, and the crow in the tree. J. looked over and drew a hat on the crow.',
    ['work'],
  ],
  [
    'Finished the lighthouse book',
    'I kept the last ten pages for the train, and then read them twice. What stays is the sentence about the stairs: one does not climb them, one *agrees to them*.',
    ['reading'],
  ],
  [null, 'Rain all day. Soup. Called Dad, who has a new hammer and told me everything about it.', ['family']],
  [
    'The station at night',
    'I was in a station with no trains, only announcements. They read out names, and everybody whose name was read smiled and went. I waited for mine and was not afraid.',
    ['dreams'],
  ],
  ['Beans', 'The beans are up, all in one night. The slugs know it already.', ['garden']],
  [
    'A walk without a telephone',
    'Left it on the kitchen table, on purpose. After half an hour my hand stopped looking for it. Saw: two buzzards, a dog called Professor, the first coltsfoot.',
    ['walks'],
  ],
  [
    'Resigned from the committee',
    'Said it in one sentence, as I had practised. They were kind. I went home the long way and bought flowers for nobody.',
    ['work'],
  ],
  [
    'Lina is walking',
    'Four steps, from the chair to my knees. She looked at her own feet as if they were someone else’s good idea.',
    ['family'],
  ],
  [null, 'Good coffee. Good light. Nothing else, and that was plenty.', []],
  [
    'Poems, out loud',
    'Read to each other until the candle was down. T. reads badly and with love, which is the right way round.',
    ['reading'],
  ],
  [
    'The apple tree',
    'Cut it back at last. It looks offended. In the cut wood: 14 rings, and a nail that must be from Grandfather’s swing.',
    ['garden', 'family'],
  ],
  [
    'Snow on the pass',
    'We turned around two hundred metres below the hut. Nobody said that it was the right thing, and everybody knew.\n\n**Next time:** start at five, not at seven.',
    ['walks'],
  ],
  [
    'The new job, day one',
    'A desk by the window, a plant from the person before me, with a note: “Sundays. Not too much.” I like the author already.',
    ['work'],
  ],
  [null, 'Dreamt of the sea again, the flat grey one. Woke up hungry.', ['dreams']],
];

/**
 * Fills the journal of this user: one entry on each of the last 14 days, the newest from this morning, and fewer
 * before that.
 */
export async function fillJournal(user: User): Promise<void> {
  const random = seededRandom(20);
  for (const [name, color] of Object.entries(TAGS)) await user.api('POST', '/api/tags/', { name, color });
  const today = Math.floor(Date.now() / DAY);
  for (let ago = DAYS; ago >= 0; ago -= 1) {
    // The user writes more in winter, and not at all in some weeks.
    const winter = Math.cos((2 * Math.PI * (today - ago)) / 365.25);
    const writes = random() < 0.45 + 0.25 * winter && (ago >> 4) % 9 !== 4;
    const entries = ago < 14 ? 1 : writes ? (random() < 0.15 ? 2 : 1) : 0;
    for (let count = 0; count < entries; count += 1) {
      const [title, content, tags] = TEXTS[ago < TEXTS.length ? ago : 1 + Math.floor(random() * (TEXTS.length - 1))]!;
      const minute = ago === 0 ? 6 * 60 : Math.floor(6 * 60 + random() * 15 * 60);
      const entry_date = new Date((today - ago) * DAY + minute * 60_000).toISOString();
      await user.api('POST', '/api/journals/', { title, content, tags, entry_date, entry_zone: 'Europe/Berlin' });
    }
  }
  const reminders = [
    { title: 'Write', message: 'How was today?', frequency: 'daily', time: timeOn(today, '20:30') },
    { title: 'Water the plant', message: 'Sundays. Not too much.', frequency: 'weekly', time: timeOn(today, '08:00') },
  ];
  for (const reminder of reminders) await user.api('POST', '/api/reminders/', reminder);
}

function timeOn(day: number, time: string): string {
  return `${new Date((day + 1) * DAY).toISOString().slice(0, 10)}T${time}:00+01:00`;
}

/** Returns a generator of numbers in [0, 1) that depend only on the seed (mulberry32). */
function seededRandom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
