/** The user has decided not to go on. That is no error: a form that gets it stays as it was. */
export class Cancelled extends Error {}
