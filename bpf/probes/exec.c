// SPDX-License-Identifier: GPL-2.0-only
/*
 * exec - a process replaced its program image, or failed to.
 *
 * Event     EXEC; sensor/events/kinds/exec.py lists the fields and their units.
 * Hook      sched_process_exec, after the point of no return: the image named
 *           is the one that runs. A failure is seen at the exits of execve and
 *           execveat, with what was asked.
 * Trust     bprm->filename and ->interp are kernel copies, made before the hook;
 *           the image is bprm->file (mm->exe_file where tracepoints are not raw).
 *           The arguments are the new program's own memory, before it has run.
 * Kernels   every row of kernels/matrix.yaml.
 * Cost      a handful of reads per exec; nothing on any other path.
 * Blind to  which script an interpreter was given on its command line.
 */
/* Narrow by the image *file*: after a failed exec the one that goes on. */
static __always_inline struct scratch *exec_narrow(void *file, u32 flow, u32 outcome, void **dentry, void **vfsmount)
{
	u32 slot = 0;
	struct clause_table *table = live_table(TABLE_EXEC, &slot);
	struct dentry_head head, above;
	struct mask mask;
	union key key;
	void *root;

	if (!table)
		return NULL;
	mask = table->outcome[outcome];
	if (!any(&mask))
		return NULL;
	*dentry = pointer_at(file, OFF_file__f_path__dentry);
	*vfsmount = pointer_at(file, OFF_file__f_path__mnt);
	root = pointer_at(*vfsmount, OFF_vfsmount__mnt_root);
	if (!read_head(&head, *dentry) && *dentry != root) {
		if (!keep_leaf(&mask, table, slot, &key, HEAD_NAME(&head), HEAD_LEN(&head)))
			return NULL;
		if (HEAD_PARENT(&head) != root && both(&mask, &table->needs_directory) && !read_head(&above, HEAD_PARENT(&head)) &&
		    !keep_directory(&mask, table, slot, &key, HEAD_NAME(&above), HEAD_LEN(&above)))
			return NULL;
	}
	if (!keep_who(&mask, table, slot, &key))
		return NULL;
	return enter(flow, EVENT_EXEC, &mask, table, slot);
}

static __always_inline int exec_image(void *ctx, void *file, void *asked, void *interpreter)
{
	void *dentry = NULL, *vfsmount = NULL;
	struct scratch *s = exec_narrow(file, FLOW_EXEC, OUTCOME_SUCCEEDED, &dentry, &vfsmount);
	struct exec_fields *fields;

	if (!s)
		return 0;
	fields = &s->frame.exec.fields;
	if (!PUT_STRING(s, fields, asked, read_kernel_str, asked, ASKED_BYTES, FRAME_ASKED_CUT))
		s->frame.common.flags |= FRAME_ASKED_FAULTED;
	if (interpreter && interpreter != asked)
		PUT_STRING(s, fields, interpreter, read_kernel_str, interpreter, ASKED_BYTES, 0);
	return classify_file(ctx, s, dentry, vfsmount, 1);
}

#ifdef HAVE_RAW_TRACEPOINT
/* args: struct task_struct *, pid_t old_pid, struct linux_binprm * */
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	void *bprm = (void *)ctx->args[2];

	return exec_image(ctx, pointer_at(bprm, OFF_linux_binprm__file), pointer_at(bprm, OFF_linux_binprm__filename),
			  pointer_at(bprm, OFF_linux_binprm__interp));
}
#else
int on_exec(void *ctx)
{
	u32 where = *(u32 *)(ctx + OFF_tp_sched_process_exec__filename); /* __data_loc: length << 16 | offset */
	void *mm = pointer_at(current_task(), OFF_task_struct__mm);

	return exec_image(ctx, pointer_at(mm, OFF_mm_struct__exe_file), ctx + (where & 0xffff), NULL);
}
#endif

int on_exec_failed(void *ctx)
{
	void *mm, *registers, *asked, *dentry = NULL, *vfsmount = NULL;
	long ret = SYS_exit_ret(ctx);
	struct exec_fields *fields;
	struct scratch *s;

	if (ret >= 0)
		return 0;
	mm = pointer_at(current_task(), OFF_task_struct__mm);
	s = exec_narrow(pointer_at(mm, OFF_mm_struct__exe_file), FLOW_EXEC_FAILED, OUTCOME_FAILED, &dentry, &vfsmount);
	if (!s)
		return 0;
	registers = call_registers();
	asked = (void *)u64_at(registers, SYS_exit_nr(ctx) == NR_execveat ? ARGUMENT_2 : ARGUMENT_1);
	fields = &s->frame.exec.fields;
	fields->ret = ret;
	if (!PUT_STRING(s, fields, asked, read_user_str, asked, ASKED_BYTES, FRAME_ASKED_CUT))
		s->frame.common.flags |= FRAME_ASKED_FAULTED;
	return classify_file(ctx, s, dentry, vfsmount, 0);
}
