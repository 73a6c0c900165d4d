/** What the server counts of a journal, day by day. */

import { api, unwrap, type Schemas } from '../api';
import type { Day } from './sums';

export type Statistics = Schemas['JournalStatistics'];

/** The days that have entries, oldest first; all of them if no bounds are given. */
export async function daysOfJournal(from = '0001-01-01', to = '9999-12-31', signal?: AbortSignal): Promise<Day[]> {
  return unwrap(api.GET('/api/journals/calendar', { params: { query: { from, to } }, signal }));
}

export async function statistics(): Promise<Statistics> {
  return unwrap(api.GET('/api/journals/stats'));
}
