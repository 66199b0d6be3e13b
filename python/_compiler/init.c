/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * init.c -- the module `shark_turbine._compiler`.
 */
#include "binding.h"

PyTypeObject *
add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);
    const char *dot = strrchr(spec->name, '.');

    if (type && PyModule_AddObjectRef(module, dot + 1, type) < 0)
        Py_CLEAR(type);
    return (PyTypeObject *)type;
}

static PyMethodDef functions[] = {
    {"parse_mlir", module_parse_mlir, METH_VARARGS,
     "parse_mlir(text, file='<text>') -> Unit: torch-dialect MLIR"},
    {"parse_text", module_parse_text, METH_VARARGS,
     "parse_text(text, file='<text>') -> Unit: .tb text, as Unit.text() gives"},
    {"ops", module_ops, METH_NOARGS, "schemas of all ATen operators there are rows for"},
    {"lookup", module_lookup, METH_O, "lookup(name) -> schema or None"},
    {"stages", module_stages, METH_NOARGS, "what Unit.print() and compile(dump=) can print"},
    {"host_level", module_host_level, METH_NOARGS,
     "name of the best CPU level that this machine runs; '' if there is none"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "shark_turbine._compiler",
    .m_doc = "Turbine's compiler: builds graphs of ATen operators and compiles them.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__compiler(void);

PyMODINIT_FUNC
PyInit__compiler(void)
{
    PyObject *module = PyModule_Create(&definition);

    if (module && (dim_init(module) < 0 || value_init(module) < 0 ||
                   function_init(module) < 0 || unit_init(module) < 0 ||
                   artifact_init(module) < 0))
        Py_CLEAR(module);
    return module;
}
