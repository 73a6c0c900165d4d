/** The texts of the app in this language, one file for each namespace. */

import admin from './admin.json';
import audio from './audio.json';
import auth from './auth.json';
import common from './common.json';
import errors from './errors.json';
import read from './read.json';
import reminders from './reminders.json';
import secret from './secret.json';
import settings from './settings.json';
import write from './write.json';

export default { admin, audio, auth, common, errors, read, reminders, secret, settings, write };
