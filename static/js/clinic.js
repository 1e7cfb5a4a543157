// Everything works without this file. It only moves the focus to the error summary, where the browser has not done so.
"use strict";
const summary = document.querySelector("[data-focus]");
if (summary && document.activeElement !== summary) summary.focus();
