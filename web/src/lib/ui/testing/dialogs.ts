/**
 * Modal dialogs for jsdom, which has none: what `showModal` and `close` do to `open` and to the focus (HTML, section
 * 4.11.4).
 */

const FOCUSABLE = 'button:not([disabled]), input:not([disabled])';

export function addModalDialogs(): void {
  HTMLDialogElement.prototype.showModal = function () {
    if (this.open) throw new DOMException('the dialog is open', 'InvalidStateError');
    this.open = true;
    this.querySelector<HTMLElement>(FOCUSABLE)?.focus();
  };
  HTMLDialogElement.prototype.close = function () {
    this.open = false;
  };
}
