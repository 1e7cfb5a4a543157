// Hides follow-up questions whose parent's answer does not call for them. Without this file all of them are shown with
// the words that say when they are meant, and the server asks about what was written where it does not apply.
"use strict";
const chosenCodes = (name) => {
  const boxes = document.getElementsByName(name);
  return Array.from(boxes)
    .filter((box) => (box.type === "radio" || box.type === "checkbox" ? box.checked : box.value.trim() !== ""))
    .map((box) => box.value);
};
const showFollowUps = () => {
  for (const block of document.querySelectorAll("[data-follow-up]")) {
    const codes = block.dataset.codes.split(" ").filter(Boolean);
    const chosen = chosenCodes(block.dataset.followUp);
    const called = codes.length ? chosen.some((code) => codes.includes(code)) : chosen.length > 0;
    // Follow-ups come after their parents, so a hidden parent is already hidden here.
    block.hidden = !called;
    const counts = called && !block.parentElement.closest("[data-follow-up][hidden]");
    for (const box of block.querySelectorAll("input, textarea")) box.disabled = !counts; // hidden: not sent
  }
};
document.addEventListener("change", showFollowUps);
document.addEventListener("input", showFollowUps);
// The browser may bring back what was chosen when somebody goes back.
window.addEventListener("pageshow", showFollowUps);
showFollowUps();
