/** The pending recordings of the signed-in user on this device: one instance per tab, with the keys of drafts. */

import { draftEnvironment } from '../drafts/user-drafts';
import { RecordingStore } from './recording-store';

export const recordingStore = new RecordingStore(draftEnvironment);
