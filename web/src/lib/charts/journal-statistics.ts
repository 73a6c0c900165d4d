/** The statistics of the journal that the server counts. */

import { api, unwrap, type Schemas } from '../api';
import type { Day } from './sums';

export type Statistics = Schemas['JournalStatistics'];

/** The days with entries, oldest first; without bounds, all of them. */
export async function daysOfJournal(from = '0001-01-01', to = '9999-12-31', signal?: AbortSignal): Promise<Day[]> {
  return unwrap(api.GET('/api/journals/calendar', { params: { query: { from, to } }, signal }));
}

export async function statistics(): Promise<Statistics> {
  return unwrap(api.GET('/api/journals/stats'));
}
