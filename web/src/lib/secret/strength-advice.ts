/** What zxcvbn says about a weak passphrase, in the app's own words: its sentences speak of passwords and web pages. */

import type { Language } from '../i18n/index.svelte';

const en = {
  warnings: {
    straightRow: 'Straight rows of keys are easy to guess.',
    keyPattern: 'Short keyboard patterns are easy to guess.',
    simpleRepeat: 'Repeated characters such as “aaa” are easy to guess.',
    extendedRepeat: 'Repeated patterns such as “abcabcabc” are easy to guess.',
    sequences: 'Sequences such as “abc” are easy to guess.',
    recentYears: 'Recent years are easy to guess.',
    dates: 'Dates are easy to guess.',
    topTen: 'This is one of the most common passwords.',
    topHundred: 'This is a very common password.',
    common: 'This is a common password.',
    similarToCommon: 'This is similar to a common password.',
    wordByItself: 'Single words are easy to guess.',
    namesByThemselves: 'Single names are easy to guess.',
    commonNames: 'Common names are easy to guess.',
    userInputs: 'Avoid your name, e-mail or the name of this tag.',
    pwned: 'This has appeared in a data breach.',
  },
  suggestions: {
    l33t: 'Avoid predictable substitutions such as “@” for “a”.',
    reverseWords: 'Avoid common words spelled backwards.',
    allUppercase: 'Capitalise some letters, but not all.',
    capitalization: 'Capitalise more than the first letter.',
    dates: 'Avoid dates and years that have to do with you.',
    recentYears: 'Avoid recent years.',
    associatedYears: 'Avoid years that have to do with you.',
    sequences: 'Avoid common sequences.',
    repeated: 'Avoid repeated words and characters.',
    longerKeyboardPattern: 'Use longer keyboard patterns that change direction several times.',
    anotherWord: 'Add more words that are less common.',
    useWords: 'Use several words, but no common phrase.',
    noNeed: 'It can be strong without symbols, digits or capitals.',
    pwned: 'If you use it elsewhere, change it there.',
  },
};

const de: typeof en = {
  warnings: {
    straightRow: 'Tasten in einer Reihe sind leicht zu erraten.',
    keyPattern: 'Kurze Muster auf der Tastatur sind leicht zu erraten.',
    simpleRepeat: 'Wiederholte Zeichen wie „aaa“ sind leicht zu erraten.',
    extendedRepeat: 'Wiederholte Muster wie „abcabcabc“ sind leicht zu erraten.',
    sequences: 'Folgen wie „abc“ sind leicht zu erraten.',
    recentYears: 'Jahreszahlen der letzten Zeit sind leicht zu erraten.',
    dates: 'Ein Datum ist leicht zu erraten.',
    topTen: 'Das ist eines der häufigsten Passwörter.',
    topHundred: 'Das ist ein sehr häufiges Passwort.',
    common: 'Das ist ein häufiges Passwort.',
    similarToCommon: 'Das ähnelt einem häufigen Passwort.',
    wordByItself: 'Einzelne Wörter sind leicht zu erraten.',
    namesByThemselves: 'Einzelne Namen sind leicht zu erraten.',
    commonNames: 'Häufige Namen sind leicht zu erraten.',
    userInputs: 'Nimm nicht deinen Namen, deine E-Mail-Adresse oder den Namen dieses Schlagworts.',
    pwned: 'Das ist schon in einem Datenleck aufgetaucht.',
  },
  suggestions: {
    l33t: 'Vermeide naheliegende Ersetzungen wie „@“ für „a“.',
    reverseWords: 'Vermeide rückwärts geschriebene Wörter.',
    allUppercase: 'Schreib einige Buchstaben groß, aber nicht alle.',
    capitalization: 'Schreib nicht nur den ersten Buchstaben groß.',
    dates: 'Vermeide Tage und Jahre, die mit dir zu tun haben.',
    recentYears: 'Vermeide Jahreszahlen der letzten Zeit.',
    associatedYears: 'Vermeide Jahreszahlen, die mit dir zu tun haben.',
    sequences: 'Vermeide häufige Folgen.',
    repeated: 'Vermeide Wiederholungen von Wörtern und Zeichen.',
    longerKeyboardPattern: 'Nimm längere Muster auf der Tastatur, die öfter die Richtung wechseln.',
    anotherWord: 'Füge weitere, seltenere Wörter hinzu.',
    useWords: 'Nimm mehrere Wörter, aber keine gängige Redewendung.',
    noNeed: 'Auch ohne Sonderzeichen, Ziffern und Großbuchstaben kann sie stark sein.',
    pwned: 'Wenn du es auch anderswo benutzt, ändere es dort.',
  },
};

export const ADVICE: Record<Language, typeof en> = { en, de };
